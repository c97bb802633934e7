/* One condition: a fact, a comparison, a value. */

import { el, keepFirst, labelled, newId, say, select, suggest } from "./dom.js";
import * as values from "./values.js";

const ORDER = ["at most", "at least", "less than", "more than"];
const WORDS = ["contains any word", "contains all words"];
const LISTED_ANY = { is: "one", "is not": "one", in: "many", "not in": "many" };

export class Condition {
    constructor(builder, parent, raw = {}) {
        this.builder = builder;
        this.parent = parent;
        this.texts = builder.data.texts;
        this.operator = raw.operator ?? "";
        this.value = raw.value ?? undefined;
        this.currency = raw.currency ?? "";
        [this.family, this.key] = this.split(raw.fact ?? "");
        this.type = this.typeOf(raw.value);
        this.head = el("div", { class: "cem-row-controls" });
        this.notes = el("p", { class: "cem-row-note", id: newId("note") });
        this.errors = el("ul", { class: "cem-row-errors", id: newId("errors"), hidden: true });
        this.tools = el("div", { class: "cem-row-tools" });
        this.el = el(
            "div",
            { class: "cem-row", role: "group" },
            this.head,
            this.tools,
            this.notes,
            this.errors,
        );
        this.draw();
    }

    /** Return the fact as it is offered, and the key of a member of a family. */
    split(name) {
        const { facts } = this.builder.data;
        for (const fact of Object.values(facts)) {
            if (fact.prefix && name.startsWith(fact.prefix)) {
                return [fact.name, name.slice(fact.prefix.length)];
            }
        }
        return [name, ""];
    }

    get fact() {
        return this.builder.data.facts[this.family];
    }

    get name() {
        return this.fact?.prefix ? this.fact.prefix + this.key : this.family;
    }

    get isList() {
        return this.builder.data.lists.includes(this.operator);
    }

    typeOf(value) {
        const first = Array.isArray(value) ? value[0] : value;
        if (first === undefined) {
            return this.question?.type ?? "text";
        }
        return { number: "number", boolean: "boolean" }[typeof first] ?? "text";
    }

    get question() {
        return (this.builder.data.keys[this.fact?.family] ?? []).find(({ key }) => key === this.key);
    }

    draw() {
        const { texts } = this;
        this.factControl = this.factSelect();
        this.factControl.addEventListener("change", () => this.chooseFact());
        this.head.replaceChildren(labelled(texts.fact, this.factControl));
        this.drawRest();
    }

    /** Draw what follows the fact, which stays: somebody may be typing its name. */
    drawRest() {
        const { texts } = this;
        keepFirst(this.head);
        if (this.fact?.prefix) {
            this.head.append(this.keyField());
        }
        this.operatorControl = select(
            this.fact ? this.builder.data.operators[this.fact.kind] : [],
            this.operator,
            { gone: texts.unknown, empty: this.operator ? null : texts.choose },
        );
        this.operatorControl.addEventListener("change", () => this.chooseOperator());
        this.head.append(labelled(texts.operator, this.operatorControl));
        this.valueBox = el("div", { class: "cem-value" });
        this.head.append(this.valueBox);
        this.drawValue();
        const { fact } = this;
        const example = fact && !fact.options.length ? ` ${say(texts.example, this.exampleText())}` : "";
        this.notes.textContent = fact ? fact.help + example : "";
        this.notes.hidden = !fact;
        this.factControl.setAttribute("aria-describedby", this.notes.id);
    }

    exampleText() {
        const { example } = this.fact;
        return { true: this.texts.yes, false: this.texts.no }[example] ?? String(example);
    }

    factSelect() {
        const { data, known } = this.builder;
        const groups = data.groups.map(([label, names]) =>
            el(
                "optgroup",
                { label },
                ...names
                    .map((name) => data.facts[name])
                    .filter((fact) => known(fact) || fact.name === this.family)
                    .map((fact) =>
                        el(
                            "option",
                            { value: fact.name },
                            known(fact) ? fact.label : say(this.texts.notKnown, fact.label),
                        ),
                    ),
            ),
        );
        const found = el(
            "select",
            { class: "cem-fact" },
            this.family ? null : el("option", { value: "" }, this.texts.choose),
            this.family && !this.fact
                ? el("option", { value: this.family }, say(this.texts.unknown, this.family))
                : null,
            ...groups.filter((group) => group.children.length),
        );
        found.value = this.family;
        return found;
    }

    keyField() {
        const { family } = this.fact;
        const input = el("input", { type: "text", autocomplete: "off", class: "cem-key" });
        input.value = this.key;
        if (family === "days") {
            input.inputMode = "numeric";
        }
        input.addEventListener("input", () => {
            this.key = input.value.trim();
            this.builder.changed();
        });
        input.addEventListener("change", () => {
            if (this.question && this.value === undefined && this.question.type !== this.type) {
                this.type = this.question.type;
                this.drawValue();
            }
        });
        this.keyControl = input;
        const keys = this.builder.data.keys[family] ?? [];
        const unit = family === "days" ? el("span", { class: "cem-unit" }, this.texts.days) : null;
        const box = labelled(this.texts.key[family], input, { note: unit });
        const list = suggest(input, keys.map(({ key, label }) => [key, label || key]));
        if (list) {
            box.append(list);
        } else if (family !== "days") {
            input.placeholder = this.texts.key[family];
        }
        return box;
    }

    chooseFact() {
        const before = this.fact;
        this.family = this.factControl.value;
        this.key = this.fact?.family === "days" ? "90" : "";
        const offered = (this.builder.data.operators[this.fact?.kind] ?? []).map(([word]) => word);
        if (!offered.includes(this.operator)) {
            this.operator = offered[0] ?? "";
        }
        if (before && (before.kind !== this.fact?.kind || before.options.length || this.fact?.options.length)) {
            this.value = undefined;
        }
        this.currency = this.fact?.isMoney ? this.currency : "";
        this.type = this.typeOf(this.value);
        this.drawRest();
        this.builder.changed();
    }

    chooseOperator() {
        this.value = this.editor?.get() ?? this.value;
        this.operator = this.operatorControl.value;
        this.type = this.typeOf(this.value);
        this.drawValue();
        this.builder.changed();
    }

    drawValue() {
        this.editor = this.makeEditor();
        this.valueBox.replaceChildren(...(this.editor ? [this.typeField(), this.editor.el] : []).filter(Boolean));
        this.valueBox.hidden = !this.editor;
        this.currencyControl = null;
        if (this.fact?.isMoney && this.editor) {
            this.valueBox.append(this.currencyField());
        }
    }

    makeEditor() {
        const { fact, operator, isList, texts } = this;
        if (this.builder.data.unary.includes(operator)) {
            return null;
        }
        const about = {
            label: texts.value,
            texts,
            changed: () => {
                this.value = this.editor.get();
                this.builder.changed();
            },
            options: fact?.options ?? [],
        };
        const isText = operator === "matches" || operator.includes("contain");
        const type = this.typeNow();
        if (isText) {
            return WORDS.includes(operator)
                ? values.words(this.value, { ...about, options: [] })
                : values.text(this.value, { ...about, options: [] });
        }
        if (type === "number") {
            const numeric = { ...about, numeric: true, options: [], note: fact?.unit };
            return isList ? values.words(this.value, numeric) : values.text(this.value, numeric);
        }
        if (type === "boolean") {
            return values.boolean(this.value, about);
        }
        if (about.options.length) {
            return isList ? values.several(this.value, about) : values.one(this.value, about);
        }
        return isList ? values.words(this.value, about) : values.text(this.value, about);
    }

    /** Return what sort of value is edited: text, number or boolean. */
    typeNow() {
        const kind = this.fact?.kind;
        if (kind === "number" || kind === "money" || ORDER.includes(this.operator)) {
            return "number";
        }
        if (kind === "yes or no") {
            return "boolean";
        }
        if (!this.hasTypes()) {
            return "text";
        }
        return this.isList && this.type === "boolean" ? "text" : this.type;
    }

    hasTypes() {
        return this.fact?.kind === "text, number or yes/no" && this.operator in LISTED_ANY;
    }

    typeField() {
        if (!this.hasTypes()) {
            return null;
        }
        const { types } = this.texts;
        const offered = this.isList ? ["text", "number"] : ["text", "number", "boolean"];
        const made = select(offered.map((type) => [type, types[type]]), this.typeNow(), { class: "cem-type" });
        made.addEventListener("change", () => {
            this.type = made.value;
            this.value = undefined;
            this.drawValue();
            this.valueBox.querySelector("select").focus();
            this.builder.changed();
        });
        return labelled(this.texts.type, made);
    }

    currencyField() {
        const input = el("input", {
            type: "text",
            class: "cem-currency",
            maxlength: 3,
            autocomplete: "off",
            placeholder: this.texts.anyCurrency,
        });
        input.value = this.currency;
        input.addEventListener("input", () => {
            this.currency = input.value.trim().toUpperCase();
            this.builder.changed();
        });
        this.currencyControl = input;
        return labelled(this.texts.currency, input);
    }

    /** Return the JSON of this row, and remember at which path it stands. */
    raw(path, paths) {
        paths.set(path, this);
        const found = { fact: this.name, operator: this.operator };
        const value = this.editor?.get();
        if (value !== undefined && this.editor) {
            found.value = value;
        }
        if (this.currency && this.editor) {
            found.currency = this.currency;
        }
        return found;
    }

    /** Whether something is still to be chosen: nobody is told off for that while typing. */
    get isIncomplete() {
        const hasKey = !this.fact?.prefix || this.key !== "";
        return !this.fact || !hasKey || (this.editor !== null && this.editor.get() === undefined);
    }

    focus() {
        this.factControl.focus();
    }

    controlAt(rest) {
        const first = rest.replace(/^\./, "").split(/[.[]/)[0];
        const found = {
            fact: this.fact && this.keyControl?.isConnected ? this.keyControl : this.factControl,
            operator: this.operatorControl,
            value: this.editor?.control,
            currency: this.currencyControl,
        };
        return found[first] ?? this.factControl;
    }
}
