"""What the demo says: pure text from text, the same for the same question. No model, no clock, no randomness."""

from __future__ import annotations

import re
from collections.abc import Sequence
from zlib import crc32

from attrs import frozen

CONFESSION = (
    "This is newage's built-in demo: no model is involved. The words were written beforehand and "
    "chosen by a few rules from what you typed; only their way to you is real."
)


@frozen
class _Topic:
    """A kind of question, recognised by ``pattern`` in its lower-case text, and what may be said to it."""

    pattern: re.Pattern[str]
    sayings: Sequence[str]


def _topic(pattern: str, *sayings: str) -> _Topic:
    return _Topic(re.compile(pattern), sayings)


_TALES = (
    "Once upon a time a token left home with nothing but a chunk index. It crossed an extension, was counted by a "
    "hub, and slipped through a socket just before the heartbeat. On the far side a page was waiting. "
    "“Only one of you?” asked the page. “The others are forty milliseconds behind,” said the token, and they were.",
    "There was a hub that remembered everything and invented nothing. One evening somebody asked it for a story. "
    "It looked through its rooms, found only questions, and began to hand them back one word at a time, very politely. "
    "Nobody was fooled, but everybody stayed to watch the words arrive.",
)
_VERSES = (
    "A token sets out;\nforty milliseconds pass,\nanother follows.",
    "No model in here:\nyour own words come back to you,\none piece at a time.",
)

# The first match wins, so what is narrow stands before what is wide.
_TOPICS: tuple[_Topic, ...] = (
    _topic(
        r"< ?/? ?[a-z!]",
        "That looks like markup. On a good page it stays what you typed: text, angle brackets and all.",
        "Angle brackets! They made the journey unharmed, and if the page is any good they did no harm either.",
    ),
    _topic(
        r"\b(who|what) are you\b|\bare you (an? |the )?(ai|bot|robot|model|human|person|real|gpt|llm|machine)\b|你是谁",
        "I am a loop with manners: I take a question, hold it up to the light, and read it back slowly.",
        "Nobody, to be exact. I am a few hundred lines of Python that answer in the place where a model will stand.",
    ),
    _topic(
        r"\b(new ?age|sillytavern|silly tavern|socket\.?io|twisted|this hub)\b",
        "newage is the hub in the middle: pages and bots on one side, SillyTavern's extension on the other, and "
        "every token passing through one room. What you are reading took that very road.",
        "In short: your request went to the hub, the hub asked an extension, and the extension's tokens are coming "
        "back through the room you are in. I am that extension, minus the intelligence.",
    ),
    _topic(r"\b(poem|haiku|verse|rhyme|song|limerick)\b|诗", *_VERSES),
    _topic(r"\b(story|stories|tale|fable|joke)\b|故事", *_TALES),
    _topic(
        r"\b(thanks?|thank you|cheers|merci|danke|gracias)\b|谢谢",
        "You are welcome. It was no trouble; there is hardly anything in here to be troubled.",
        "My pleasure, or it would be, if somebody had installed one.",
    ),
    _topic(
        r"^\W*(hi|hello|hey|hallo|hola|bonjour|salut|moin|good (morning|afternoon|evening))\b|你好|こんにちは",
        "Hello! You have reached the far end of the hub, and your greeting arrived in one piece.",
        "Hello to you. The line is open, the tokens are fresh, and the kettle is imaginary.",
    ),
    _topic(
        r"\b(help|how do i|how can i|connect|install|set ?up)\b",
        "Help is near: install the NewAge extension in SillyTavern, point it at this hub's address, and its model will "
        "answer here instead of me. Nothing else on this page has to change.",
        "I can show you one thing only, and I am showing it now: an answer that arrives while it is being made.",
    ),
    _topic(
        r"\d ?[-+*/x^] ?\d",
        "I can see the numbers, and they are very nice numbers. Working them out is somebody else's job.",
        "Arithmetic, of all people, from me? I can only promise that every digit came through unchanged.",
    ),
    _topic(
        r"^\W*why\b|为什么",
        "Why, indeed. A model would give you three reasons and a caveat; I can offer the caveat.",
        "Because something had to be first on the wire, and your question was.",
    ),
    _topic(
        r"^\W*how\b|怎么",
        "Carefully, and one piece at a time. That is at least how this answer is done.",
        "Step by step: you typed, the hub carried, I echoed. The step in the middle where somebody thinks is missing.",
    ),
    _topic(
        r"^\W*(when|where)\b",
        "Here and now, which is all a demo ever knows about.",
        "Somewhere between your keyboard and this line; it cannot be far, for it took only milliseconds.",
    ),
    _topic(
        r"^\W*who\b",
        "Somebody cleverer than me, no doubt; that is not saying much.",
        "I only know two parties: you, who asked, and the hub, which passed it on without comment.",
    ),
    _topic(
        r"^\W*(is|are|am|was|were|do|does|did|can|could|will|would|shall|should|may|must|has|have|had)\b",
        "Yes. Or no. I would need a model to take sides, and there is none in here.",
        "Let us say: very possibly. It is the safest answer a demo can give.",
    ),
    _topic(
        r"\?\W{0,8}$|^\W*(what|which)\b|？",  # noqa: RUF001 (full-width question mark: how Chinese questions end)
        "A fair question, and it deserves somebody who knows. You get somebody who repeats.",
        "I turned it over twice. The other side was blank, so I return it with my compliments.",
    ),
)
_STATEMENT = _topic(
    r"",
    "Noted, word for word. Agreeing would be presumptuous of me, so I simply hold on to it.",
    "So you say, and so I repeat. We are getting on well.",
    "I hear you, in the narrow sense that every byte arrived.",
)

_READ_CHARS = 4000  # a longer question is not searched further: the reactor waits meanwhile
_WORD_CHARS = 40  # of one word, when it is named

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # noqa: RUF001 (typographic apostrophe)
_TOKEN = re.compile(r"\s*(?:[A-Za-z'’]{1,9}|\w{1,3}|[^\w\s]+)|\s+")  # noqa: RUF001
_BLANKS = re.compile(r"\s+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def answer_to(question: str, *, again: bool, quote_chars: int) -> str:
    """The demo's answer.

    :param again: the same question was asked again (``regenerateMessage``): another variant is taken.
    :param quote_chars: how many characters of the question may be quoted, the ellipsis included.
    """
    plain = _BLANKS.sub(" ", _SURROGATE.sub("�", question)).strip()
    if not plain:
        return f"You sent me nothing at all, and I answer it in full.\n\n{CONFESSION}"
    seed = crc32(plain.encode("utf-8")) + again
    sayings = _topic_of(plain[:_READ_CHARS].casefold()).sayings
    opening = "Once more, then. " if again else ""
    quote = f"You wrote: “{_cut(plain, quote_chars)}” {_remark(plain, seed)}"
    return f"{opening}{sayings[seed % len(sayings)]}\n\n{quote}\n\n{CONFESSION}"


def tokens_of(text: str) -> list[str]:
    """Cut a text into pieces of the size models send; joined, they are the text again."""
    return _TOKEN.findall(text)


def _topic_of(lowered: str) -> _Topic:
    return next((topic for topic in _TOPICS if topic.pattern.search(lowered)), _STATEMENT)


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def _remark(text: str, seed: int) -> str:
    """Something true about the question's surface: all that can be said without understanding it."""
    if len(text) > _READ_CHARS:
        return f"It goes on for {len(text):,} characters, of which I read the first few."
    words = _WORD.findall(text)
    if not words:
        return "Not one word in it, which is a style of its own."
    longest, first, last = (_cut(word, _WORD_CHARS) for word in (max(words, key=len), words[0], words[-1]))
    if len(words) == 1:
        return "A single word: nobody can call you long-winded."
    remarks = (
        f"That is {len(words)} words, and I read every one of them exactly once.",
        f"The longest of your {len(words)} words is “{longest}”; I am fond of it already.",
        f"It begins with “{first}” and ends with “{last}”; between the two you were on your own.",
    )
    return remarks[seed % len(remarks)]
