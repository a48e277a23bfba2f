import pytest

from causal.engine.vocabulary import SPACE, Vocabulary, read_vocabulary

PIECES = [b"<unk>", b"<s>", b"</s>", SPACE + b"Had", SPACE + b"he", b"ad", b",", b"<0xC3>", b"<0xA9>", SPACE, b"<"]
WORDS = Vocabulary(PIECES)


def test_tokens_become_text():
    assert WORDS.text([3, 4, 5, 6]) == "Had head,"


def test_a_character_may_be_spread_over_two_tokens():
    assert WORDS.text([4, 7, 8]) == "heé"


def test_half_a_character_shows_as_a_question_mark():
    assert WORDS.text([4, 7]) == "he\ufffd"


def test_control_tokens_say_nothing():
    assert WORDS.text([1, 3, 2]) == "Had"
    assert WORDS.text([10]) == "<"


def test_a_word_has_its_tokens():
    assert WORDS.words([3, 4, 5, 6]) == [("Had", 0, 1), ("head,", 1, 4)]


@pytest.mark.parametrize("tokens", [[], [9], [1, 2]])
def test_no_text_has_no_words(tokens):
    assert WORDS.words(tokens) == []


def test_words_joined_are_the_text():
    tokens = [5, 6, 3, 9, 4, 7, 8]
    assert " ".join(word for word, _, _ in WORDS.words(tokens)) == "ad, Had heé"


def test_the_file_has_a_length_before_each_piece(tmp_path):
    long = b"x" * 300
    path = tmp_path / "tokenizer.bin"
    path.write_bytes(bytes([3]) + b"abc" + bytes([0]) + bytes([300 % 128 + 128, 300 // 128]) + long + bytes([1]) + b"z")
    vocabulary = read_vocabulary(path)
    assert vocabulary.text([0, 1, 3]) == "abcz"
    assert vocabulary.text([2]) == long.decode()
