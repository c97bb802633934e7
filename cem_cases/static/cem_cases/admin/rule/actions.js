/* JSON ⇄ rows of actions, in their order. */

import { button, el, keepFirst, labelled, newId, reorder, say, select } from "./dom.js";
import { Builder } from "./builder.js";
import * as values from "./values.js";

const EDITORS = {
    one: values.one,
    several: values.several,
    ordered: values.ordered,
    words: values.words,
    number: (value, about) => values.text(value, { ...about, options: [], numeric: true, note: about.unit }),
};

class Action {
    constructor(builder, raw = { do: "" }) {
        this.builder = builder;
        this.texts = builder.texts;
        this.given = raw;
        this.do = raw.do;
        this.head = el("div", { class: "cem-row-controls" });
        this.tools = el("div", { class: "cem-row-tools" });
        this.errors = el("ul", { class: "cem-row-errors", id: newId("errors"), hidden: true });
        this.el = el("div", { class: "cem-row", role: "group" }, this.head, this.tools, this.errors);
        this.draw();
    }

    get spec() {
        return this.builder.data.actions.find((spec) => spec.do === this.do);
    }

    draw() {
        const { texts } = this;
        const offered = this.builder.offered(this.do).map((spec) => [spec.do, spec.label]);
        this.choice = select(offered, this.do, {
            empty: this.do ? null : texts.choose,
            gone: texts.unknown,
            class: "cem-fact cem-do",
        });
        this.choice.addEventListener("change", () => {
            this.do = this.choice.value;
            this.given = {};
            this.drawFields(); // the choice stays: somebody may be typing its name
            this.builder.changed();
        });
        this.head.replaceChildren(labelled(texts.do, this.choice));
        this.drawFields();
    }

    drawFields() {
        keepFirst(this.head);
        this.editors = new Map();
        for (const field of this.spec?.fields ?? []) {
            this.head.append(this.fieldOf(field));
        }
    }

    fieldOf(field) {
        const options = field.of ? this.builder.data.options[field.of] : field.options;
        const value = this.given[field.name] ?? field.default ?? undefined;
        // too many to choose from, or none yet: names are typed
        const typed = { one: values.text, several: values.words }[options.length ? "" : field.kind];
        const editor = (typed ?? EDITORS[field.kind])(value, {
            label: String(field.label),
            texts: this.texts,
            options,
            unit: field.unit,
            changed: () => this.builder.changed(),
        });
        this.editors.set(field.name, [editor, field]);
        return el(
            "div",
            { class: "cem-part" },
            el("span", { class: "cem-part-label", "aria-hidden": "true" }, field.label),
            editor.el,
        );
    }

    raw(path, paths) {
        paths.set(path, this);
        const found = { do: this.do };
        for (const [name, [editor, field]] of this.editors) {
            const value = editor.get();
            const isLeftOut = value === undefined || (field.is_optional && value === field.default);
            if (!isLeftOut) {
                found[name] = field.kind === "ordered" && value.length === 1 ? value[0] : value;
            }
        }
        return found;
    }

    get isIncomplete() {
        const fields = [...this.editors.values()];
        const isOpen = ([editor, field]) => editor.get() === undefined && !field.is_optional;
        return !this.spec || fields.some(isOpen) || (this.do === "notify" && fields.every(([e]) => e.get() === undefined));
    }

    focus() {
        this.choice.focus();
    }

    controlAt(rest) {
        const name = rest.replace(/^\./, "").split(/[.[]/)[0];
        return this.editors.get(name)?.[0].control ?? this.choice;
    }
}

export class Actions extends Builder {
    constructor(data, field, hub) {
        super(data, field, hub, data.texts.actions);
        this.none = el("p", { class: "cem-quiet" }, this.texts.noActions);
        this.add = button(`+ ${this.texts.addAction}`, () => this.append(new Action(this)));
        this.items = [];
    }

    /** Return the actions that make sense with this trigger, and the one that is there. */
    offered(present) {
        const opens = this.hub.trigger === "response received";
        return this.data.actions.filter((spec) => spec.do !== "open case" || opens || spec.do === present);
    }

    read(raw) {
        const isEmpty = raw === null || (typeof raw === "object" && !Object.keys(raw).length);
        if (!isEmpty && !(Array.isArray(raw) && raw.every((item) => this.isShowable(item)))) {
            throw new TypeError("not showable");
        }
        this.items = (isEmpty ? [] : raw).map((item) => new Action(this, item));
        this.paths = undefined;
        this.origins = new Map(this.items.map((item, n) => [`actions[${n}]`, item]));
        this.parts = el("div", { class: "cem-parts" }, ...this.items.map((item) => item.el));
        this.rows.replaceChildren(
            el("div", { class: "cem-group" }, this.none, this.parts, el("div", { class: "cem-group-foot" }, this.add)),
        );
        this.relabel();
    }

    /** Whether rows keep everything that this action says. */
    isShowable(raw) {
        const spec = this.data.actions.find((found) => found.do === raw?.do);
        if (!spec) {
            return raw?.do === "" && Object.keys(raw).length === 1; // nothing chosen yet
        }
        const fields = new Map(spec.fields.map((field) => [field.name, field]));
        return Object.entries(raw).every(([name, value]) => {
            const field = fields.get(name);
            const isMany = field && field.kind !== "one" && field.kind !== "number";
            const isWord = ["string", "number"].includes(typeof value);
            const isWords = Array.isArray(value) && value.every((item) => typeof item === "string");
            return name === "do" || (field && (isWord || (isMany && isWords)));
        });
    }

    append(item) {
        this.items.push(item);
        this.parts.append(item.el);
        this.relabel();
        item.focus();
        this.announce(say(this.texts.added, item.label));
        this.changed();
    }

    remove(item) {
        const place = this.items.indexOf(item);
        this.items.splice(place, 1);
        item.el.remove();
        this.announce(say(this.texts.removed, item.label));
        this.relabel();
        (this.items[Math.min(place, this.items.length - 1)] ?? this.add).focus();
        this.changed();
    }

    move(item, by) {
        const place = this.items.indexOf(item);
        reorder(this.items, place, place + by);
        this.relabel();
        const [up, down] = by < 0 ? item.moves : [...item.moves].reverse();
        (up.disabled ? down : up).focus();
        this.announce(say(this.texts.moved, item.label));
        this.changed();
    }

    relabel() {
        const { texts } = this;
        this.none.hidden = this.items.length > 0;
        this.add.disabled = this.items.length >= this.data.limits.actions;
        this.items.forEach((item, n) => {
            item.label = say(texts.action, n + 1);
            item.el.setAttribute("aria-label", item.label);
            if (!item.moves) {
                item.moves = [button("↑", () => this.move(item, -1)), button("↓", () => this.move(item, 1))];
                item.drop = button("×", () => this.remove(item), { class: "cem-button cem-drop" });
                item.tools.append(...item.moves, item.drop);
            }
            const [up, down] = item.moves;
            up.disabled = n === 0;
            down.disabled = n === this.items.length - 1;
            for (const [control, text] of [[up, texts.up], [down, texts.down], [item.drop, texts.remove]]) {
                control.setAttribute("aria-label", say(text, item.label));
            }
        });
    }

    redraw() {
        for (const item of this.items) {
            item.given = item.raw("", new Map());
            item.draw();
        }
    }

    raw() {
        this.paths = new Map();
        return this.items.map((item, n) => item.raw(`actions[${n}]`, this.paths));
    }
}
