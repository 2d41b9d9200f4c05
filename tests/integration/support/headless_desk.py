"""A data folder of SillyTavern with all that a prompt can hold, and a private chat whose words may be in none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tavern import SillyTavern

SECRET = "SECRET-XYZZY"
STATIC = Path(__file__).parents[3] / "static" / "sillytavern-extension"


def _card(name: str) -> dict[str, Any]:
    examples = "".join(f"<START>\n{{{{user}}}}: EXQ{n}-{name}?\n{{{{char}}}}: EXA{n}-{name}!\n" for n in (1, 2))
    return {
        "description": f"DESC-{name}: {{{{char}}}} is a keeper who likes {{{{user}}}}.",
        "personality": f"PERS-{name}",
        "scenario": f"SCEN-{name} at sea",
        "mes_example": examples,
        "extensions": {"world": "", "depth_prompt": {"prompt": f"DEPTH-{name}", "depth": 2, "role": "system"}},
    }


def _entry(uid: int, keys: list[str], content: str, **more: Any) -> dict[str, Any]:
    usual = {"keysecondary": [], "constant": False, "selective": True, "selectiveLogic": 0, "order": 100, "position": 0}
    rest = {"disable": False, "probability": 100, "useProbability": True, "depth": 4, "group": "", "role": 0}
    return {"uid": uid, "key": keys, "content": content, **usual, **rest, **more}


def _book(*entries: dict[str, Any]) -> str:
    return json.dumps({"entries": {str(entry["uid"]): entry for entry in entries}})


def furnish(tavern: SillyTavern) -> None:
    """Characters, books, presets with macros in them, and at the desk a chat full of secrets."""
    user = tavern.user
    robin = _card("Robin")
    robin["extensions"]["world"] = "robinbook"
    robin |= {"system_prompt": "CARDSYS {{original}}", "post_history_instructions": "CARDPHI {{original}}"}
    tavern.add_character("Robin", **robin)
    tavern.add_character("Secretary", **_card("Secretary"))
    worlds, chats = user / "worlds", user / "chats"
    for folder in (worlds, chats / "Secretary", chats / "Robin"):
        folder.mkdir(parents=True, exist_ok=True)
    entries = (
        _entry(0, ["dragon"], "LORE-DRAGON for {{char}}, last={{lastMessage}}, var={{getvar::v1}}"),
        _entry(1, ["goblin"], "LORE-GOBLIN must not appear"),
        _entry(2, ["castle"], "LORE-CASTLE at depth", position=4, depth=1),
        _entry(3, ["LORE-CASTLE"], "LORE-RECURSED", position=1),
        _entry(4, ["{{char}}word"], "LORE-CHARKEY", position=1),
        _entry(5, ["dragon"], "<START>\n{{user}}: WIEXQ\n{{char}}: WIEXA", position=5),
    )
    (worlds / "globalbook.json").write_text(_book(*entries), "utf-8")
    (worlds / "robinbook.json").write_text(_book(_entry(0, ["dragon"], "LORE-ROBINBOOK", position=1)), "utf-8")
    (worlds / "deskbook.json").write_text(_book(_entry(0, ["dragon"], f"BOOK-{SECRET}", constant=True)), "utf-8")
    note = {"note_prompt": f"NOTE-{SECRET}", "note_interval": 1, "note_position": 1, "note_depth": 4, "note_role": 0}
    metadata = {
        **note,
        "world_info": "deskbook",
        "variables": {"v1": f"VAR-{SECRET}"},
        "scenario": f"SCENARIO-{SECRET}",
        "integrity": "11111111-1111-4111-8111-111111111111",
        "tainted": True,
        "timedWorldInfo": {"sticky": {}, "cooldown": {}},
    }
    said = (("Secretary", f"hello {SECRET}"), ("Desk", f"my {SECRET} is the goblin"), ("Secretary", f"kept {SECRET}"))
    lines: list[dict[str, Any]] = [{"user_name": "Desk", "character_name": "Secretary", "chat_metadata": metadata}]
    for name, text in said:
        extra = {"memory": f"SUMMARY-{SECRET}"}
        lines.append({"name": name, "is_user": name == "Desk", "is_system": False, "mes": text, "extra": extra})
    file = chats / "Secretary" / "Secretary - first.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    _settings(tavern)


def _settings(tavern: SillyTavern) -> None:
    settings = tavern.stored_settings()
    oai, power = settings["oai_settings"], settings["power_user"]
    power |= {
        "persona_description": "PERSONA {{user}} is brave",
        "persona_description_position": 0,
        "persona_descriptions": {"user-default.png": {"description": "PERSONA {{user}} is brave", "position": 0}},
        "personas": {"user-default.png": "Desk"},
        "prefer_character_prompt": True,
        "prefer_character_jailbreak": True,
    }
    settings["user_avatar"] = "user-default.png"
    oai |= {"openai_max_tokens": 300, "openai_max_context": 4095}
    for prompt in oai["prompts"]:
        if prompt["identifier"] == "main":
            prompt["content"] = "MAIN {{char}} writes to {{user}}. {{setvar::pv::PVOK}}{{// c}}"
        if prompt["identifier"] == "jailbreak":
            prompt["content"] = "JB pv={{getvar::pv}} last={{lastMessage}} lu={{lastUserMessage}}"
    absolute = {"injection_position": 1, "injection_depth": 1, "injection_order": 100, "marker": False}
    text = "ABS input=[{{input}}] v1=[{{getvar::v1}}]"
    oai["prompts"].append({"identifier": "abs", "name": "abs", "role": "system", "content": text, **absolute})
    relative = {"injection_position": 0, "injection_depth": 4, "marker": False}
    oai["prompts"].append(
        {"identifier": "rel", "name": "rel", "role": "user", "content": "REL {{char}} {{description}}", **relative}
    )
    for one in oai["prompt_order"]:
        at = [entry["identifier"] for entry in one["order"]].index("chatHistory")
        one["order"].insert(at, {"identifier": "rel", "enabled": True})
        one["order"].append({"identifier": "abs", "enabled": True})
    settings["world_info_settings"] = {
        **settings.get("world_info_settings", {}),
        "world_info": {"globalSelect": ["globalbook"]},
        "world_info_depth": 4,
        "world_info_budget": 50,
        "world_info_recursive": True,
        "world_info_include_names": True,
    }
    (tavern.user / "settings.json").write_text(json.dumps(settings), "utf-8")
