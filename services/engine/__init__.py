"""The local speech engine: a server that speaks AssemblyAI's streaming protocol on loopback."""
