"""The event log: numbers, stores, publishes and replays what the services say."""
