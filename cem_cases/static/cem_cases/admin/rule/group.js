/* Conditions taken together: all, any, not all, none of them; groups within groups. */

import { button, el, labelled, newId, reorder, say, select } from "./dom.js";
import { Condition } from "./condition.js";

const JOINS = { all: ["all", false], any: ["any", false], notAll: ["all", true], notAny: ["any", true] };

export class Group {
    constructor(builder, parent, join = "all") {
        this.builder = builder;
        this.parent = parent;
        this.texts = builder.data.texts;
        this.parts = [];
        const { texts } = this;
        this.choice = select(Object.keys(JOINS).map((key) => [key, texts[key]]), join, { class: "cem-join" });
        this.choice.addEventListener("change", () => {
            this.builder.relabel();
            this.builder.changed();
        });
        this.list = el("div", { class: "cem-parts" });
        this.none = el("p", { class: "cem-quiet" }, texts.noConditions);
        this.errors = el("ul", { class: "cem-row-errors", id: newId("errors"), hidden: true });
        this.tools = el("div", { class: "cem-row-tools" });
        this.addRow = button(`+ ${texts.addCondition}`, () => this.add(new Condition(builder, this)));
        this.addGroup = button(`+ ${texts.addGroup}`, () => this.add(this.newGroup()));
        this.el = el(
            "div",
            { class: "cem-group", role: "group" },
            el("div", { class: "cem-group-head" }, labelled(texts.join, this.choice), this.tools),
            this.errors,
            this.list,
            parent ? null : this.none,
            el("div", { class: "cem-group-foot" }, this.addRow, this.addGroup),
        );
    }

    newGroup() {
        const made = new Group(this.builder, this, this.choice.value.endsWith("ny") ? "all" : "any");
        made.take(new Condition(this.builder, made));
        return made;
    }

    get join() {
        return JOINS[this.choice.value][0];
    }

    get isNegated() {
        return JOINS[this.choice.value][1];
    }

    /** How deep the parts of this group are nested, as the site counts it. */
    get depth() {
        return (this.parent ? this.parent.depth : 0) + (this.isNegated ? 2 : 1);
    }

    take(part) {
        this.parts.push(part);
        this.list.append(part.el);
    }

    add(part) {
        this.take(part);
        this.builder.relabel();
        part.focus();
        this.builder.announce(say(this.texts.added, part.label));
        this.builder.changed();
    }

    remove(part) {
        const place = this.parts.indexOf(part);
        this.parts.splice(place, 1);
        part.el.remove();
        this.builder.announce(say(this.texts.removed, part.label));
        this.builder.relabel();
        const next = this.parts[Math.min(place, this.parts.length - 1)];
        (next ?? this.addRow).focus();
        this.builder.changed();
    }

    move(part, by) {
        const place = this.parts.indexOf(part);
        reorder(this.parts, place, place + by);
        this.builder.relabel();
        const [up, down] = part.moves;
        const wanted = by < 0 ? up : down;
        (wanted.disabled ? (by < 0 ? down : up) : wanted).focus();
        this.builder.announce(say(this.texts.moved, part.label));
        this.builder.changed();
    }

    focus() {
        this.choice.focus();
    }

    controlAt() {
        return this.parts.length ? this.choice : this.addRow;
    }

    get isIncomplete() {
        return this.parts.length === 0;
    }

    raw(path, paths) {
        if (!this.parent && !this.parts.length && !this.isNegated) {
            paths.set(path, this);
            return {};
        }
        paths.set(path, this);
        const inner = this.isNegated ? `${path}.not` : path;
        paths.set(inner, this);
        const found =
            this.parts.length === 1 && (this.isNegated || !this.parent)
                ? this.parts[0].raw(inner, paths)
                : this.rawList(`${inner}.${this.join}`, paths);
        return this.isNegated ? { not: found } : found;
    }

    rawList(path, paths) {
        paths.set(path, this);
        return { [this.join]: this.parts.map((part, n) => part.raw(`${path}[${n}]`, paths)) };
    }

    /** Number the parts, say between them how they are joined, and renew the buttons. */
    relabel(prefix = "") {
        const { texts, builder } = this;
        const word = this.join === "all" ? texts.and : texts.or;
        this.none.hidden = this.parts.length > 0;
        this.addRow.disabled = builder.isFull;
        this.addGroup.disabled = builder.isFull || this.depth >= builder.data.limits.depth;
        this.addGroup.title = this.addGroup.disabled ? texts.tooDeep : "";
        this.el.classList.toggle("cem-group--not", this.isNegated);
        this.parts.forEach((part, n) => {
            const number = `${prefix}${n + 1}`;
            const text = part instanceof Group ? texts.group : texts.condition;
            part.label = say(text, number);
            part.el.setAttribute("aria-label", part.label);
            part.el.dataset.joined = n ? word : "";
            this.drawTools(part, n);
            part.relabel?.(`${number}.`);
        });
    }

    drawTools(part, n) {
        const { texts } = this;
        if (!part.moves) {
            part.moves = [button("↑", () => this.move(part, -1)), button("↓", () => this.move(part, 1))];
            part.drop = button("×", () => this.remove(part), { class: "cem-button cem-drop" });
            part.tools.append(...part.moves, part.drop);
        }
        const [up, down] = part.moves;
        up.disabled = n === 0;
        down.disabled = n === this.parts.length - 1;
        for (const [item, text] of [[up, texts.up], [down, texts.down], [part.drop, texts.remove]]) {
            item.setAttribute("aria-label", say(text, part.label));
        }
    }
}
