from __future__ import annotations

from pathlib import Path

from transformers import AutoTokenizer

from training.engine.lm.tokenizer import train_tokenizer

TEXT = "Grüße, 日本 🙂\n\tprint(f'{x:>10}')  two  spaces 2026"


def test_it_gives_back_any_text_unchanged_also_after_saving(tmp_path: Path) -> None:
    tokenizer = train_tokenizer(["some english words and words again"] * 5, vocab_size=320, max_length=64)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    for one in (tokenizer, loaded):
        assert one.decode(one(TEXT)["input_ids"]) == TEXT
    assert loaded(TEXT)["input_ids"] == tokenizer(TEXT)["input_ids"]
    assert loaded.chat_template == tokenizer.chat_template
    assert (loaded.pad_token, loaded.eos_token, loaded.pad_token_id) == ("<|pad|>", "<|end|>", 0)


def test_it_learns_frequent_words_as_one_token_and_digits_singly() -> None:
    tokenizer = train_tokenizer(["the cat sat on the mat, the cat 2026"] * 20, vocab_size=400, max_length=64)
    assert tokenizer.tokenize(" the cat") == ["Ġthe", "Ġcat"]
    assert [token for token in tokenizer.tokenize("2026") if token != "Ġ"] == ["2", "0", "2", "6"]
