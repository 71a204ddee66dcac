"""The project's own small language models: tokenizer and base model from a corpus, fine-tuning, sampling."""
