"""The one text and the one token sequence of (prompt, completion), for training, evaluation, scoring and sampling.

The prompt is rendered and tokenised apart from the completion, then the ids are joined. So the prompt's tokens are the
same for every completion of it (what is computed once may be shared), and what a policy generates after the prompt is
token for token what the reward model reads.

Text: the tokenizer's own chat template where it has one. Otherwise, for each message `<|role|>\\n` + content +
`<|end|>\\n`, then `<|assistant|>\\n`, then the completion and `<|end|>`. Decoders end in the end-of-sequence token,
encoders stand between their own begin and end tokens ([CLS] and [SEP] for BERT).
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Message = Mapping[str, str]

DEFAULT_CHAT_TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
"""The default template in Jinja, set on tokenizers that this project trains."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of one prompt and one completion, ready for the model, end tokens included."""

    prompt_ids: list[int]
    completion_ids: list[int]
    is_truncated: bool

    @property
    def input_ids(self) -> list[int]:
        """Prompt and completion ids joined."""
        return self.prompt_ids + self.completion_ids

    @property
    def n_tokens(self) -> int:
        """Length of the joined sequence in tokens."""
        return len(self.prompt_ids) + len(self.completion_ids)


def default_prompt_text(messages: Iterable[Message]) -> str:
    """The default template's text of a prompt, ending where the completion starts."""
    return "".join(f"<|{m['role']}|>\n{m['content']}<|end|>\n" for m in messages) + "<|assistant|>\n"


@dataclass
class ChatEncoder:
    """Turns (messages, completion) into token ids of at most `max_length` tokens with one tokenizer.

    `is_decoder` says whether the sequence ends in the end-of-sequence token (a reward is read there) or in the
    encoder's own closing token. A text that contains a special token's spelling ("<|end|>") cannot forge it: such
    spellings are broken by a space first.
    """

    tokenizer: Any
    max_length: int
    is_decoder: bool = True
    _begin_ids: list[int] = field(init=False)
    _end_ids: list[int] = field(init=False)

    def __post_init__(self) -> None:
        if self.max_length < 8:
            raise ValueError(f"max_length must be at least 8 tokens, got {self.max_length}")
        self._begin_ids, self._end_ids = _framing_ids(self.tokenizer)
        self._special_texts = sorted(
            {text for text in [*self.tokenizer.all_special_tokens, *_template_marks(self.tokenizer)] if len(text) > 1},
            key=len,
            reverse=True,
        )

    def prompt_text(self, messages: Sequence[Message]) -> str:
        """The text of the prompt, ending where the completion starts."""
        clean = self.neutralised(messages)
        if not self.tokenizer.chat_template:
            return default_prompt_text(clean)
        if not clean:
            return self._opening_text()
        return str(self.tokenizer.apply_chat_template(clean, tokenize=False, add_generation_prompt=True))

    def neutralised(self, messages: Sequence[Message]) -> list[dict[str, str]]:
        """The messages as a template may render them: none of them spells a special token."""
        return [{"role": m["role"], "content": self._neutralise(m["content"])} for m in messages]

    def completion_text(self, messages: Sequence[Message], completion: str) -> str:
        """The text after the prompt: the completion and what closes an assistant's turn (end marks, no whitespace)."""
        if self._closing_text is not None and "<" not in completion and "[" not in completion:
            return (completion + self._closing_text).rstrip()
        return self._rendered_completion(self._neutralise(completion))

    @functools.cached_property
    def _closing_text(self) -> str | None:
        """What the template writes after a completion that has no marks; None where it rewrites some completions."""
        if not self.tokenizer.chat_template:
            return None
        probe = " \n x \n "
        after = self._turn(probe)
        return after.removeprefix(probe) if after is not None and after.startswith(probe) else None

    def _rendered_completion(self, completion: str) -> str:
        if not self.tokenizer.chat_template:
            return completion + "<|end|>"
        after = self._turn(completion)
        # None: a template that rewrites its assistant turns; the end token is appended to the ids.
        return completion if after is None else after.rstrip()

    def _turn(self, completion: str) -> str | None:
        """The template's text of a completion, from where the prompt ends; None where it changes what is before."""
        # After one short user turn: what closes a turn does not depend on the turns before it.
        turn = [{"role": "user", "content": "x"}]
        before = self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
        whole = self.tokenizer.apply_chat_template(
            [*turn, {"role": "assistant", "content": completion}], tokenize=False, add_generation_prompt=False
        )
        return str(whole[len(before) :]) if whole.startswith(before) else None

    def conversation_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a whole conversation for language modelling, not truncated; its last turn may be anyone's."""
        if messages and messages[-1]["role"] == "assistant":
            last = messages[-1]["content"]
            return self.prompt_ids(messages[:-1]) + self.completion_ids(messages[:-1], last)
        ids = self._tokenise(self.prompt_text(messages).removesuffix(self._opening_text()))
        return self._begin_ids + ids if self._begin_ids and ids[:1] != self._begin_ids[:1] else ids

    def text_ids(self, text: str) -> list[int]:
        """Token ids of a plain text for language modelling, ending in the end token, not truncated."""
        return self._begin_ids + self._close(self._tokenise(self._neutralise(text)))

    def prompt_ids(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of the whole prompt, begin token included, not truncated."""
        return self._begun(self._tokenise(self.prompt_text(messages)))

    def completion_ids(self, messages: Sequence[Message], completion: str) -> list[int]:
        """Token ids of the completion with its end tokens, not truncated."""
        return self._close(self._tokenise(self.completion_text(messages, completion)))

    def encode(self, messages: Sequence[Message], completion: str) -> Encoded:
        """Token ids of a prompt and one completion; see `join` for how a long one is cut."""
        return self.join(self.prompt_ids(messages), self.completion_ids(messages, completion))

    def encode_group(self, messages: Sequence[Message], completions: Sequence[str]) -> list[Encoded]:
        """`encode` for several completions of one prompt, which is tokenised once."""
        return self.encode_completions(self.last_prompt_ids(self.prompt_text(messages)), messages, completions)

    def last_prompt_ids(self, text: str) -> list[int]:
        """`prompt_ids` of a prompt's text, of one much longer than the window only as much of its end as fills that."""
        return self._begun(self._tokenise(text[-self._most_chars :]))

    def encode_completions(
        self, prompt_ids: list[int], messages: Sequence[Message] | None, completions: Sequence[str]
    ) -> list[Encoded]:
        """Join tokenised prompt and completions; `messages` None: of texts that a chat template has made.

        Of those, special tokens are what they spell, and what a template writes behind its last mark is not read.
        """
        if not completions:
            return []
        cut = [completion[: self._most_chars] for completion in completions]
        texts = [one.rstrip() if messages is None else self.completion_text(messages, one) for one in cut]
        tokenised = self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return [self.join(prompt_ids, self._close(list(ids))) for ids in tokenised]

    def encode_rendered(self, text: str) -> Encoded:
        """Token ids of a prompt and its completion as one text that a chat template has made; cut on the left."""
        is_cut = len(text) > self._most_chars
        ids = self._close(self.last_prompt_ids(text.rstrip()))
        if len(ids) <= self.max_length:
            return Encoded([], ids, is_cut)
        return Encoded([], self.cut_prompt(ids, self.max_length), True)

    @functools.cached_property
    def _most_chars(self) -> int:
        """So many characters are `max_length` tokens at least."""
        return self.max_length * max(map(len, self.tokenizer.get_vocab()), default=1)

    def join(self, prompt_ids: list[int], completion_ids: list[int]) -> Encoded:
        """Join to at most `max_length` tokens.

        The prompt is cut on its left (begin token kept), since its end and the completion matter most. Only a
        completion that alone is too long is cut on its right, in front of its end tokens, leaving the prompt an eighth
        of the window.
        """
        if len(prompt_ids) + len(completion_ids) <= self.max_length:
            return Encoded(prompt_ids, completion_ids, is_truncated=False)
        n_begin = len(self._begin_ids)
        n_prompt = max(self.max_length - len(completion_ids), min(len(prompt_ids), n_begin + self.max_length // 8))
        prompt_ids = self.cut_prompt(prompt_ids, n_prompt)
        n_completion = self.max_length - len(prompt_ids)
        if n_completion < len(completion_ids):
            closing = self._closing_ids()
            completion_ids = completion_ids[: n_completion - len(closing)] + closing
        return Encoded(prompt_ids, completion_ids, is_truncated=True)

    def cut_prompt(self, prompt_ids: list[int], n_tokens: int) -> list[int]:
        """The last `n_tokens` of a prompt, its begin token among them."""
        if len(prompt_ids) <= n_tokens:
            return prompt_ids
        n_tail = n_tokens - len(self._begin_ids)
        return self._begin_ids + (prompt_ids[-n_tail:] if n_tail > 0 else [])

    def _opening_text(self) -> str:
        """What the template writes between the last message and the completion."""
        if not self.tokenizer.chat_template:
            return default_prompt_text([])
        turn = [{"role": "user", "content": "x"}]
        without, with_opening = (
            str(self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=is_open))
            for is_open in (False, True)
        )
        return with_opening.removeprefix(without)

    def _closing_ids(self) -> list[int]:
        if not hasattr(self, "_closing"):
            empty = self._close(self._tokenise(self.completion_text([{"role": "user", "content": "x"}], "")))
            self._closing: list[int] = empty
        return self._closing

    def _begun(self, ids: list[int]) -> list[int]:
        """With the begin token in front, unless a template has written it."""
        return ids if ids[: len(self._begin_ids)] == self._begin_ids else self._begin_ids + ids

    def _close(self, ids: list[int]) -> list[int]:
        """Append what must end the sequence and is not there yet."""
        if not self.is_decoder:
            return ids + self._end_ids
        eos = self.tokenizer.eos_token_id
        return ids if eos is None or (ids and ids[-1] == eos) else [*ids, eos]

    def _tokenise(self, text: str) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    def _neutralise(self, text: str) -> str:
        if "<" not in text and "[" not in text:  # what every special token's spelling seen so far starts with
            return text
        for special in self._special_texts:
            if special in text:
                text = text.replace(special, f"{special[0]} {special[1:]}")
        return text


def _framing_ids(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The ids a tokenizer puts before and after a text by itself ([CLS], [SEP], <s>, …)."""
    plain = list(tokenizer("a", add_special_tokens=False)["input_ids"])
    framed = list(tokenizer("a", add_special_tokens=True)["input_ids"])
    for start in range(len(framed) - len(plain) + 1):
        if framed[start : start + len(plain)] == plain:
            return framed[:start], framed[start + len(plain) :]
    return [], []


def _template_marks(tokenizer: Any) -> list[str]:
    """Turn marks of the default template; in use unless the tokenizer brings a template of its own."""
    if tokenizer.chat_template and tokenizer.chat_template != DEFAULT_CHAT_TEMPLATE:
        return []
    return ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
