"""The page on adding a task, followed: its own example, with topics of news."""
import json
import pathlib
import re

from conftest import WORDS
from finetune_test import model  # noqa: F401 (a fixture)

PAGE = pathlib.Path(__file__).parent.parent.parent / "docs/tasks.md"


def the_pages_task():
    return json.loads(re.search(r"## Adding a task.*?```json\n(.*?)```", PAGE.read_text(), re.S)[1])


def write(folder, rows):
    """rows: (split, title, text, topic)."""
    folder.mkdir()
    for split in ("train", "dev"):
        (folder / f"{split}.tsv").write_text("title\ttext\ttopic\n" + "".join(
            "\t".join(row[1:]) + "\n" for row in rows if row[0] == split))


def test_of_made_up_news(tmp_path, saobp, model):  # noqa: F811
    task = the_pages_task()
    (tmp_path / "news.json").write_text(json.dumps(task))
    topics = dict(zip(["1", "2", "3", "4"], ["red", "old", "mill", "hall"]))
    write(tmp_path / "data", [("train" if n % 5 else "dev", WORDS[n % 3], f"the {topics[t]} {WORDS[n % len(WORDS)]}", t)
                              for n in range(80) for t in topics])
    done = saobp("finetune", model, "--task", "news.json", "--data", "data", "--output", "run", "--epochs", 8, "--learning-rate", 3e-3,
                 "--batch", 16, "--json")
    assert done.json["task"] == "news" and done.json["dev"]["scores"]["accuracy"]["value"] > 0.9
    assert set(done.json["dev"]["confusion"]) == set(task["labels"])
    again = saobp("evaluate", "run", "--task", "news.json", "--data", "data", "--json")
    assert again.json["tasks"]["news"]["scores"] == done.json["dev"]["scores"]
    assert list(json.loads((tmp_path / "run/config.json").read_text())["id2label"].values()) == list(task["labels"])
    rows = saobp("tasks", "rows", "run", "--task", "news.json", "--data", "data", "--rows", 2).out.splitlines()
    assert [json.loads(row)["target"] for row in rows] == [0, 1]
