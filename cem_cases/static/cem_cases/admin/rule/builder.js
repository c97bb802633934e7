/* What the rows of conditions and those of actions have in common: they stand for a text
   field of the form, which stays the one that is sent. */

import { button, el, newId, say } from "./dom.js";

export class Builder {
    constructor(data, field, hub, title) {
        this.data = data;
        this.field = field;
        this.hub = hub;
        this.texts = data.texts;
        this.rows = el("div", { class: "cem-rows-box" });
        this.trouble = el("p", { class: "cem-trouble", role: "alert", hidden: true });
        this.status = el("p", { class: "cem-away", role: "status", "aria-live": "polite" });
        this.toggle = button(this.texts.asText, () => this.flip(), { class: "cem-button cem-toggle" });
        this.box = el(
            "div",
            { class: "cem-builder", role: "group", "aria-label": title },
            this.rows,
            this.trouble,
            this.status,
        );
        this.foot = el("div", { class: "cem-builder-foot" }, this.toggle);
        const holder = field.closest(".form-row");
        this.help = holder.querySelector(".help");
        this.complaints = holder.querySelector(".errorlist");
        this.isText = false;
        field.closest(".flex-container, div").after(this.box, this.foot);
        field.addEventListener("input", () => hub.changed());
    }

    start() {
        try {
            this.read(JSON.parse(this.field.value || "null"));
            this.show(false);
        } catch {
            this.show(true);
            this.say(this.texts.notShowable);
        }
    }

    /** Show the text or the rows. */
    show(isText) {
        this.isText = isText;
        this.field.hidden = !isText;
        this.rows.hidden = isText;
        if (this.help) {
            this.help.hidden = !isText;
        }
        this.toggle.textContent = isText ? this.texts.asRows : this.texts.asText;
        this.say("");
    }

    flip() {
        if (!this.isText) {
            this.sync();
            this.show(true);
            this.field.focus();
            return;
        }
        try {
            this.read(JSON.parse(this.field.value || "null"));
        } catch {
            this.say(this.texts.notShowable);
            this.field.focus();
            return;
        }
        this.show(false);
        this.toggle.focus();
        this.hub.changed();
    }

    say(text) {
        this.trouble.textContent = text;
        this.trouble.hidden = !text;
    }

    announce(text) {
        this.status.textContent = text;
    }

    changed() {
        this.sync();
        this.hub.changed();
    }

    /** Write the rows into the text field, which is what is sent. */
    sync() {
        if (!this.isText) {
            this.field.value = JSON.stringify(this.raw(), null, 2);
        }
    }

    clear() {
        for (const list of this.rows.querySelectorAll(".cem-row-errors")) {
            list.replaceChildren();
            list.hidden = true;
        }
        for (const control of this.rows.querySelectorAll("[aria-invalid]")) {
            control.removeAttribute("aria-invalid");
            control.removeAttribute("aria-errormessage");
        }
    }

    /** Show each message at the row it is about; return those that have none. */
    place(errors, paths, { patient }) {
        this.clear();
        return errors.filter(([path, text]) => {
            const [row, rest] = this.find(path, paths);
            if (!row || this.isText) {
                return true;
            }
            if (!(patient && row.isIncomplete)) {
                this.tell(row, rest, text);
            }
            return false;
        });
    }

    find(path, paths) {
        for (let end = path.length; end > 0; end -= 1) {
            const rest = path.slice(end);
            const row = paths.get(path.slice(0, end));
            if (row && (rest === "" || ".[".includes(rest[0]))) {
                return [row, rest];
            }
        }
        return [null, ""];
    }

    tell(row, rest, text) {
        const control = row.controlAt(rest);
        row.errors.append(el("li", { id: newId("error") }, text));
        row.errors.hidden = false;
        control.setAttribute("aria-invalid", "true");
        control.setAttribute("aria-errormessage", row.errors.id);
    }

    /** Move what the site said above the field to the rows; focus the first of them. */
    placeFirst(errors) {
        if (this.isText) {
            return;
        }
        const left = this.place(errors, this.origins, { patient: false });
        const placed = errors.filter((error) => !left.includes(error));
        for (const item of this.complaints?.querySelectorAll("li") ?? []) {
            item.hidden = placed.some(([path, text]) => item.textContent === `${path}: ${text}`);
        }
        if (placed.length) {
            this.announce(say(this.texts.placesWrong, placed.length));
        }
    }
}
