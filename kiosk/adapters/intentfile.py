"""`understanding.yaml` of the flow folders, read into intents: what a customer may mean, as the flows state it."""

from __future__ import annotations

from pathlib import Path

from kiosk.adapters.yamlfile import Node, load
from kiosk.core.intents import SLOT_TYPES, Example, IntentSpec
from kiosk.values import LANGS, Lang, OperatorError

NAME = "understanding.yaml"


def load_intents(flows: Path) -> list[IntentSpec]:
    """Every intent of every `<flow>/understanding.yaml` under `flows`, in the order of folders and lines.

    Raises:
        OperatorError: no such file, a malformed one, an unknown key or slot type, an intent without examples or named
            twice, or the same example in two intents; with file and line.
    """
    files = sorted(flows.glob(f"*/{NAME}"))
    if not files:
        raise OperatorError(
            f"no flow states what it understands ({NAME})", where=str(flows), remedy="Check the folder."
        )
    specs: list[IntentSpec] = []
    names: dict[str, str] = {}
    # the bare amount of `common` says the same words as a flow's own intent: told apart by what the flow expects
    seen: dict[tuple[Lang, str], tuple[str, str]] = {}
    for file in files:
        top = load(file)
        top.only(("intents",))
        intents = top.node("intents")
        for name, _ in intents.items():
            node = intents.node(name)
            if name in names:
                raise node.wrong(f"intent `{name}` is stated already in {names[name]}", "Give it another name.")
            names[name] = f"{file}:{node.line}"
            spec = _intent(name, node)
            _apart(spec, node, seen)
            specs.append(spec)
    return specs


def _intent(name: str, node: Node) -> IntentSpec:
    node.only(("description", "slots", "examples"))
    description = node.node("description")
    description.only(LANGS)
    slots = node.node("slots", optional=True)
    types: dict[str, str] = {}
    for slot, _ in slots.items():
        types[slot] = slots.text(slot)
        if types[slot] not in SLOT_TYPES:
            raise slots.wrong(f"slot type `{types[slot]}` is unknown", f"Known: {', '.join(SLOT_TYPES)}.", slot)
    examples = node.node("examples")
    examples.only(LANGS)
    read: dict[Lang, tuple[Example, ...]] = {}
    for lang in LANGS:
        texts = examples.texts(lang)
        if not texts:
            raise examples.wrong(f"intent `{name}` has no {lang} examples", "Write at least eight, as customers speak.")
        read[lang] = tuple(_example(text, types, examples, lang) for text in texts)
    return IntentSpec(name, {lang: description.text(lang) for lang in LANGS}, types, read)


def _example(text: str, slots: dict[str, str], node: Node, lang: Lang) -> Example:
    example = Example.parse(text)
    if not example.text.strip() or "{" in example.text or "}" in example.text:
        raise node.wrong(f"example `{text}` is malformed", "Mark a slot as {name:its words}.", lang)
    for slot in example.spans:
        if slot not in slots:
            known = f"Known here: {', '.join(slots)}." if slots else "Add it under `slots:`."
            raise node.wrong(f"example `{text}` marks slot `{slot}`, which the intent does not have", known, lang)
    return example


def _apart(spec: IntentSpec, node: Node, seen: dict[tuple[Lang, str], tuple[str, str]]) -> None:
    """Refuse an example that another intent has too; `amount` is never weighed against a flow's intent."""
    for lang in LANGS:
        for example in spec.examples[lang]:
            key = (lang, "".join(example.text.lower().split()))
            owner, where = seen.setdefault(key, (spec.name, f"{node.file}:{node.at('examples')}"))
            if owner != spec.name and "amount" not in (owner, spec.name):
                raise node.wrong(
                    f"example `{example.text}` of `{spec.name}` is also an example of `{owner}` ({where})",
                    "Keep it in one of them.",
                    "examples",
                )
