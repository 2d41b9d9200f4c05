"""Which names people can read, and tell apart from others: of rooms, clients, identities (contract 1.9, A27).

Tables are of Unicode 14.
"""

from __future__ import annotations

from bisect import bisect_right
from unicodedata import category, combining, is_normalized

ZWNJ, ZWJ, EMOJI_STYLE, KEYCAP = "\u200c", "\u200d", "\ufe0f", "\u20e3"
BRAILLE_BLANK = "\u2800"
VIRAMA = 9  # combining class
RA_BEFORE_JOINER = "\u09b0"  # Bengali writes ra with a ya-phalaa as RA, ZWJ, VIRAMA, YA


class _Set:
    """Characters by ranges of their code points, in hexadecimal."""

    def __init__(self, ranges: str) -> None:
        ends = [each.partition("-") for each in ranges.split()]
        self._first = [int(first, 16) for first, _, _ in ends]
        self._last = [int(last or first, 16) for first, _, last in ends]

    def __contains__(self, char: str) -> bool:
        code = ord(char)
        at = bisect_right(self._first, code) - 1
        return at >= 0 and code <= self._last[at]


IGNORABLE = _Set(  # Default_Ignorable_Code_Point: nothing is to be seen of it
    "AD 34F 61C 115F-1160 17B4-17B5 180B-180F 200B-200F 202A-202E 2060-206F 3164 FE00-FE0F FEFF FFA0 FFF0-FFF8 "
    "1BCA0-1BCA3 1D173-1D17A E0000-E0FFF"
)
JOINING_ON = _Set(  # Joining_Type D and L: takes another shape before a letter that joins
    "620 626 628 62A-62E 633-63F 641-647 649-64A 66E-66F 678-687 69A-6BF 6C1-6C2 6CC 6CE 6D0-6D1 6FA-6FC 6FF 712-714 "
    "71A-71D 71F-727 729 72B 72D-72E 74E-758 75C-76A 76D-770 772 775-777 77A-77F 7CA-7EA 841-845 848 84A-853 855 860 "
    "862-865 868 886 889-88D 8A0-8A9 8AF-8B0 8B3-8B8 8BA-8C8 1807 1820-1878 1887-18A8 18AA A840-A872 10AC0-10AC4 10ACD "
    "10AD3-10ADC 10ADE-10AE0 10AEB-10AEE 10B80 10B82 10B86-10B88 10B8A-10B8B 10B8D 10B90 10BAD-10BAE 10D00-10D21 10D23 "
    "10F30-10F32 10F34-10F44 10F51-10F53 10F70-10F73 10F76-10F81 10FB0 10FB2-10FB3 10FB8 10FBB-10FBC 10FBE-10FBF 10FC1 "
    "10FC4 10FCA-10FCB 1E900-1E943"
)
JOINING_BACK = _Set(  # Joining_Type R: takes another shape after such a letter; those of JOINING_ON do as well
    "622-625 627 629 62F-632 648 671-673 675-677 688-699 6C0 6C3-6CB 6CD 6CF 6D2-6D3 6D5 6EE-6EF 710 715-719 71E 728 "
    "72A 72C 72F 74D 759-75B 76B-76C 771 773-774 778-779 840 846-847 849 854 856-858 867 869-86A 870-882 88E 8AA-8AC "
    "8AE 8B1-8B2 8B9 10AC5 10AC7 10AC9-10ACA 10ACE-10AD2 10ADD 10AE1 10AE4 10AEF 10B81 10B83-10B85 10B89 10B8C "
    "10B8E-10B8F 10B91 10BA9-10BAC 10D22 10F33 10F54 10F74-10F75 10FB4-10FB6 10FB9-10FBA 10FBD 10FC2-10FC3 10FC9"
)
PICTURE = _Set(  # Extended_Pictographic: what emoji are joined of
    "A9 AE 203C 2049 2122 2139 2194-2199 21A9-21AA 231A-231B 2328 2388 23CF 23E9-23F3 23F8-23FA 24C2 25AA-25AB 25B6 "
    "25C0 25FB-25FE 2600-2605 2607-2612 2614-2685 2690-2705 2708-2712 2714 2716 271D 2721 2728 2733-2734 2744 2747 "
    "274C 274E 2753-2755 2757 2763-2767 2795-2797 27A1 27B0 27BF 2934-2935 2B05-2B07 2B1B-2B1C 2B50 2B55 3030 303D "
    "3297 3299 1F000-1F0FF 1F10D-1F10F 1F12F 1F16C-1F171 1F17E-1F17F 1F18E 1F191-1F19A 1F1AD-1F1E5 1F201-1F20F 1F21A "
    "1F22F 1F232-1F23A 1F23C-1F23F 1F249-1F3FA 1F400-1F53D 1F546-1F64F 1F680-1F6FF 1F774-1F77F 1F7D5-1F7FF 1F80C-1F80F "
    "1F848-1F84F 1F85A-1F85F 1F888-1F88F 1F8AE-1F8FF 1F90C-1F93A 1F93C-1F945 1F947-1FAFF 1FC00-1FFFD"
)
PICTURE_AS_TEXT = _Set(  # Emoji without Emoji_Presentation: in an emoji it is followed by U+FE0F, which shows
    "A9 AE 203C 2049 2122 2139 2194-2199 21A9-21AA 2328 23CF 23ED-23EF 23F1-23F2 23F8-23FA 24C2 25AA-25AB 25B6 25C0 "
    "25FB-25FC 2600-2604 260E 2611 2618 261D 2620 2622-2623 2626 262A 262E-262F 2638-263A 2640 2642 265F-2660 2663 "
    "2665-2666 2668 267B 267E 2692 2694-2697 2699 269B-269C 26A0 26A7 26B0-26B1 26C8 26CF 26D1 26D3 26E9 26F0-26F1 "
    "26F4 26F7-26F9 2702 2708-2709 270C-270D 270F 2712 2714 2716 271D 2721 2733-2734 2744 2747 2763-2764 27A1 "
    "2934-2935 2B05-2B07 3030 303D 3297 3299 1F170-1F171 1F17E-1F17F 1F202 1F237 1F321 1F324-1F32C 1F336 1F37D "
    "1F396-1F397 1F399-1F39B 1F39E-1F39F 1F3CB-1F3CE 1F3D4-1F3DF 1F3F3 1F3F5 1F3F7 1F43F 1F441 1F4FD 1F549-1F54A "
    "1F56F-1F570 1F573-1F579 1F587 1F58A-1F58D 1F590 1F5A5 1F5A8 1F5B1-1F5B2 1F5BC 1F5C2-1F5C4 1F5D1-1F5D3 1F5DC-1F5DE "
    "1F5E1 1F5E3 1F5E8 1F5EF 1F5F3 1F5FA 1F6CB 1F6CD-1F6CF 1F6E0-1F6E5 1F6E9 1F6F0 1F6F3"
)
SKIN = _Set("1F3FB-1F3FF")
JOINED = _Set(  # what comes after a joiner in an emoji that Unicode knows
    "2194-2195 2640 2642 2695-2696 26A7 2620 2708 2744 2764 27A1 2B1B 1F308 1F32B 1F33E 1F373 1F37C 1F384 1F393 1F3A4 "
    "1F3A8 1F3EB 1F3ED 1F466-1F469 1F48B 1F4A5 1F4A8 1F4AB 1F4BB-1F4BC 1F525 1F527 1F52C 1F5E8 1F680 1F692 1F7E9 1F7EB "
    "1F91D 1F9AF-1F9B3 1F9BA 1F9BC-1F9BD 1F9D1-1F9D2 1FA70 1FA79 1FAEF"
)


def is_readable(text: str) -> bool:
    """In NFC and printable: no control characters, no separators but blanks, no halves of characters, nothing that
    turns text around; ZWJ and ZWNJ where ``is_clear`` takes them. So much every name has to be, those of before too.
    """
    return is_normalized("NFC", text) and all(
        char.isprintable() or (char in (ZWJ, ZWNJ) and _is_needed(text, at)) for at, char in enumerate(text)
    )


def is_clear(text: str) -> bool:
    """Readable, without blanks around it and with nothing in it that nobody sees (A27): so new names have to be.

    ZWJ and ZWNJ are taken where letters or an emoji look otherwise by them (UAX 31, 2.3), U+FE0F where an emoji needs
    it and looks otherwise by it.
    """
    return (
        is_readable(text)
        and text == text.strip().strip(BRAILLE_BLANK)
        and all(_is_seen(text, at) for at in range(len(text)))
    )


def _is_seen(text: str, at: int) -> bool:
    char = text[at]
    if char == BRAILLE_BLANK:  # the blank between words in braille
        return all("\u2800" <= each <= "\u28ff" for each in text[at - 1 : at + 2])
    return char not in IGNORABLE or _is_needed(text, at)


def _is_needed(text: str, at: int) -> bool:
    """Does what stands around this invisible character look otherwise by it?"""
    char, before, after = text[at], text[:at], text[at + 1 :]
    if char == EMOJI_STYLE:
        keycap = before[-1:] in tuple("0123456789#*") and after.startswith(KEYCAP)
        return keycap or (before != "" and before[-1] in PICTURE_AS_TEXT)
    if char == ZWNJ:
        return _keeps_apart(before, after) or (_ends_in_virama(before) and _is_letter(after.lstrip(_marks(after))[:1]))
    if char == ZWJ:
        return _joins_picture(before, after) or _shapes_conjunct(before, after)
    return False


def _keeps_apart(before: str, after: str) -> bool:
    """Letters that would join, as in Arabic."""
    left, right = before.rstrip(_marks(before))[-1:], after.lstrip(_marks(after))[:1]
    return left != "" and right != "" and left in JOINING_ON and (right in JOINING_ON or right in JOINING_BACK)


def _shapes_conjunct(before: str, after: str) -> bool:
    """Consonants, as in Devanagari or Sinhala; a sign of a vowel that follows would make it invisible."""
    if _ends_in_virama(before):
        return not after or category(after[0])[0] != "M"
    return before.endswith(RA_BEFORE_JOINER) and combining(after[:1] or " ") == VIRAMA and _is_letter(after[1:2])


def _joins_picture(before: str, after: str) -> bool:
    while before and (before[-1] == EMOJI_STYLE or before[-1] in SKIN):
        before = before[:-1]
    return before != "" and after != "" and before[-1] in PICTURE and after[0] in JOINED


def _ends_in_virama(text: str) -> bool:
    """A letter and a virama, with other marks at either; marks are few, for the text is NFC and a name."""
    while text and combining(text[-1]) not in (0, VIRAMA):
        text = text[:-1]
    if not text or combining(text[-1]) != VIRAMA:
        return False
    return _is_letter(text.rstrip(_marks(text))[-1:])


def _is_letter(char: str) -> bool:
    return char != "" and category(char)[0] == "L"


def _marks(text: str) -> str:
    """The marks in it: they do not join, nor keep others from it."""
    return "".join({char for char in text if category(char)[0] == "M"})
