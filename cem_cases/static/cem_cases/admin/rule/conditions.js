/* JSON ⇄ rows of conditions. What rows cannot show is left to the text. */

import { Condition } from "./condition.js";
import { Group } from "./group.js";
import { el } from "./dom.js";
import { Builder } from "./builder.js";

const KEYS = ["fact", "operator", "value", "currency"];
const DEEPEST = 20;

const isPlain = (value) =>
    value === null ||
    ["number", "boolean", "undefined"].includes(typeof value) ||
    (typeof value === "string" && value.trim() === value);

const isShowable = (raw) =>
    Object.keys(raw).every((key) => KEYS.includes(key)) &&
    ["fact", "operator", "currency"].every((key) => ["string", "undefined"].includes(typeof raw[key])) &&
    (Array.isArray(raw.value) ? isPlainList(raw.value) : isPlain(raw.value));

/** Whether rows keep this list: of texts or of numbers, none of them twice. */
const isPlainList = (list) =>
    new Set(list).size === list.length &&
    new Set(list.map((item) => typeof item)).size <= 1 &&
    list.every((item) => typeof item === "number" || (typeof item === "string" && item && isPlain(item)));

const isObject = (raw) => raw !== null && typeof raw === "object" && !Array.isArray(raw);

export class Conditions extends Builder {
    constructor(data, field, hub) {
        super(data, field, hub, data.texts.conditions);
        this.known = (fact) => (data.known[hub.trigger] ?? []).includes(fact.scope);
    }

    read(raw) {
        this.paths = undefined;
        this.origins = new Map();
        const isEmpty = raw === null || (typeof raw === "object" && !Object.keys(raw).length);
        this.root = isEmpty ? new Group(this, null) : this.group(raw, null, "conditions", 0);
        this.rows.replaceChildren(this.root.el);
        this.relabel();
    }

    group(raw, parent, path, depth) {
        if (!isObject(raw) || depth > DEEPEST) {
            throw new TypeError("not showable");
        }
        if ("fact" in raw) {
            const made = new Group(this, parent);
            this.origins.set(path, made);
            made.take(this.row(raw, made, path));
            return made;
        }
        const [word, ...more] = Object.keys(raw);
        if (word === "not" && !more.length) {
            return this.negated(raw.not, parent, path, depth);
        }
        if (!["all", "any"].includes(word) || more.length || !Array.isArray(raw[word])) {
            throw new TypeError("not showable");
        }
        return this.list(raw[word], parent, path, word, word, depth);
    }

    negated(inner, parent, path, depth) {
        const [word, ...more] = isObject(inner) ? Object.keys(inner) : [];
        if (["all", "any"].includes(word) && !more.length && Array.isArray(inner[word])) {
            const join = word === "all" ? "notAll" : "notAny";
            const made = this.list(inner[word], parent, `${path}.not`, word, join, depth);
            this.origins.set(path, made);
            return made;
        }
        const made = new Group(this, parent, "notAny");
        this.origins.set(path, made);
        made.take(this.part(inner, made, `${path}.not`, depth + 1));
        return made;
    }

    list(parts, parent, path, word, join, depth) {
        const made = new Group(this, parent, join);
        this.origins.set(path, made);
        this.origins.set(`${path}.${word}`, made);
        parts.forEach((part, n) => made.take(this.part(part, made, `${path}.${word}[${n}]`, depth + 1)));
        return made;
    }

    part(raw, parent, path, depth) {
        return isObject(raw) && "fact" in raw ? this.row(raw, parent, path) : this.group(raw, parent, path, depth);
    }

    row(raw, parent, path) {
        if (!isShowable(raw)) {
            throw new TypeError("not showable");
        }
        const made = new Condition(this, parent, raw);
        this.origins.set(path, made);
        return made;
    }

    get isFull() {
        return this.rows.querySelectorAll(".cem-row").length >= this.data.limits.conditions;
    }

    relabel() {
        this.root?.relabel();
    }

    /** Draw the rows again, because other facts are known with another trigger. */
    redraw() {
        const each = (group) => group.parts.forEach((part) => (part.parts ? each(part) : part.draw()));
        each(this.root);
    }

    raw() {
        this.paths = new Map();
        return this.root.raw("conditions", this.paths);
    }
}
