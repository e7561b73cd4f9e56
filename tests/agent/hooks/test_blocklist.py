"""An answer that says what the list has is withheld; a word that only holds such a word is not."""

from pathlib import Path

import pytest
from langchain_core.messages import AIMessage

from app.agent.hooks.blocklist import Blocklist, open_blocklist
from app.errors import AnswerWithheld, SettingsInvalid
from app.llm.calls import Purpose

LIST = Blocklist(["Project Falcon", "ass", "ギャンブル", "1984", "C++", "naïve"])


@pytest.mark.parametrize(
    "text",
    ["It is project\n  FALCON.", "an ass!", "これはギャンブルです", "in 1984,", "I like c++", "so na\u0069\u0308ve", "ＡＳＳ"],  # noqa: RUF001
)
async def test_what_is_on_the_list_is_withheld(text: str) -> None:
    with pytest.raises(AnswerWithheld):
        await LIST.after(AIMessage(text), Purpose.ANSWER)


@pytest.mark.parametrize("text", ["A class assumes.", "projectfalcon", "19845", "", "falcon project"])
async def test_what_is_not_is_not(text: str) -> None:
    await LIST.after(AIMessage(text), Purpose.ANSWER)


async def test_thoughts_are_looked_at_as_well() -> None:
    with pytest.raises(AnswerWithheld):
        await LIST.after(AIMessage("Fine.", additional_kwargs={"reasoning_content": "Project Falcon, hm"}), Purpose.ANSWER)


def test_a_file_has_a_phrase_a_line(tmp_path: Path) -> None:
    file = tmp_path / "list.txt"
    file.write_text("# ours\n\n Falcon \n")
    assert open_blocklist(file)._phrases == ["falcon"]
    for content in (b"# nothing\n", b"\xff\xfe"):
        file.write_bytes(content)
        with pytest.raises(SettingsInvalid, match=r"^MODERATION_BLOCKLIST: list\.txt"):
            open_blocklist(file)
    with pytest.raises(SettingsInvalid, match="cannot be read"):
        open_blocklist(tmp_path / "none.txt")
