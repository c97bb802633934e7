/* The page of a rule: rows of conditions and of actions stand for the two text fields,
   and the sentence below says at once what they mean. Without this script the text fields
   do, and the sentence is shown once the rule is saved. */

import { Actions } from "./actions.js";
import { Conditions } from "./conditions.js";
import { el } from "./dom.js";

const PAUSE = 400; // milliseconds without a change, before the site is asked
const SENT = ["csrfmiddlewaretoken", "trigger", "quiet_hours", "stop", "conditions", "actions"];

class Page {
    constructor(data, form) {
        this.data = data;
        this.form = form;
        this.said = document.getElementById("cem-rule-sentence");
        this.asked = 0;
        this.conditions = new Conditions(data, form.elements.conditions, this);
        this.actions = new Actions(data, form.elements.actions, this);
        this.builders = [this.conditions, this.actions];
    }

    get trigger() {
        return this.form.elements.trigger.value;
    }

    start() {
        for (const builder of this.builders) {
            builder.start();
            builder.placeFirst(this.data.errors.filter(([path]) => path.startsWith(builder.field.name)));
        }
        this.form.querySelector("[aria-invalid]:not([hidden])")?.focus();
        this.showHours();
        this.form.elements.trigger.addEventListener("change", () => this.retrigger());
        for (const name of ["quiet_hours", "stop"]) {
            this.form.elements[name].addEventListener("input", () => this.changed());
        }
        this.form.addEventListener("submit", () => this.builders.forEach((builder) => builder.sync()));
        this.ask({ isFirst: true });
    }

    retrigger() {
        this.showHours();
        for (const builder of this.builders) {
            builder.sync();
            if (!builder.isText) {
                builder.redraw();
                builder.relabel();
            }
        }
        this.changed();
    }

    /** Only one trigger has business hours to wait for. */
    showHours() {
        const row = this.form.querySelector(".field-quiet_hours");
        row.hidden = this.trigger !== "no update" && !row.querySelector(".errorlist");
    }

    changed() {
        clearTimeout(this.waiting);
        this.said.setAttribute("aria-busy", "true");
        this.waiting = setTimeout(() => this.ask(), PAUSE);
    }

    async ask({ isFirst = false } = {}) {
        const mine = ++this.asked;
        const body = new URLSearchParams();
        for (const name of SENT) {
            const field = this.form.elements[name];
            if (field.type !== "checkbox" || field.checked) {
                body.set(name, field.value);
            }
        }
        try {
            const answer = await fetch(this.data.url, { method: "POST", body, credentials: "same-origin" });
            const found = answer.ok && !answer.redirected ? await answer.json() : null;
            if (mine === this.asked) {
                this.tell(found, isFirst);
            }
        } catch {
            if (mine === this.asked) {
                this.tell(null, isFirst);
            }
        }
    }

    tell(found, isFirst) {
        const { texts } = this.data;
        this.said.removeAttribute("aria-busy");
        if (found === null) {
            this.said.replaceChildren(el("p", { class: "cem-quiet" }, texts.failed));
            return;
        }
        const errors = found.errors ?? [];
        if (!isFirst) {
            this.place(errors);
        }
        const parts = found.sentence ? [el("p", {}, found.sentence)] : [];
        if (errors.length) {
            const items = errors.map(([path, text]) => el("li", {}, `${this.nameOf(path)}: ${text}`));
            parts.push(el("p", { class: "cem-quiet" }, texts.notComplete), el("ul", {}, ...items));
        }
        this.said.replaceChildren(...parts);
    }

    place(errors) {
        for (const builder of this.builders) {
            const own = errors.filter(([path]) => path.startsWith(builder.field.name));
            builder.place(own, builder.paths ?? builder.origins ?? new Map(), { patient: true });
        }
    }

    /** Return what people call the place of an error: `Condition 2.1`. */
    nameOf(path) {
        const builder = path.startsWith("actions") ? this.actions : this.conditions;
        const paths = builder.isText ? null : builder.paths ?? builder.origins;
        const [row] = paths ? builder.find(path, paths) : [null];
        return row?.label ?? (builder.isText ? path : builder.box.getAttribute("aria-label"));
    }
}

const source = document.getElementById("cem-rule-builder");
if (source) {
    const form = document.getElementById("rule_form");
    new Page(JSON.parse(source.textContent), form).start();
}
