/* Editors of values. Each is `{el, get, focus, control}`; `get()` is undefined while
   nothing is there. What is typed is never thrown away because it is wrong: it is sent as
   it is, and the site says what is wrong with it. */

import { button, el, labelled, newId, say, select, suggest, whenReleased } from "./dom.js";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

const asNumber = (text) => (NUMBER.test(text) ? Number(text) : text);

const asText = (value) => (value === undefined || value === null ? "" : String(value));

const asList = (value) => {
    if (Array.isArray(value)) {
        return value;
    }
    return value === undefined || value === null || value === "" ? [] : [value];
};

const asOne = (value) => (Array.isArray(value) ? value[0] : value);

export const text = (value, { label, changed, options = [], numeric = false, note = null }) => {
    const input = el("input", {
        type: "text",
        class: numeric ? "cem-number" : "cem-text-input",
        inputmode: numeric ? "decimal" : null,
        autocomplete: "off",
        oninput: changed,
    });
    input.value = asText(asOne(value));
    const list = suggest(input, options);
    const box = labelled(label, input, { note: note && el("span", { class: "cem-unit" }, note) });
    if (list) {
        box.append(list);
    }
    return {
        el: box,
        control: input,
        focus: () => input.focus(),
        get: () => {
            const found = input.value.trim();
            if (found === "") {
                return undefined;
            }
            return numeric ? asNumber(found) : found;
        },
    };
};

export const one = (value, { label, changed, options, texts, read = (found) => found }) => {
    const made = select(options, asOne(value), {
        empty: texts.choose,
        gone: texts.gone,
        onchange: changed,
    });
    return {
        el: labelled(label, made),
        control: made,
        focus: () => made.focus(),
        get: () => (made.value === "" ? undefined : read(made.value)),
    };
};

export const boolean = (value, { label, changed, texts }) => {
    const given = asOne(value);
    return one(given === undefined ? "" : String(given), {
        label,
        changed,
        texts,
        options: [["true", texts.yes], ["false", texts.no]],
        read: (found) => ({ true: true, false: false })[found] ?? given,
    });
};

/** Several of what is offered, as boxes to tick. */
export const several = (value, { label, changed, options, texts }) => {
    const chosen = asList(value).map(String);
    const known = new Set(options.map(([key]) => key));
    const gone = chosen.filter((key) => !known.has(key));
    const pairs = [...options, ...gone.map((key) => [key, say(texts.gone, key)])];
    const boxes = pairs.map(([key, name]) => {
        const box = el("input", { type: "checkbox", value: key, onchange: changed });
        box.checked = chosen.includes(key);
        return [box, el("label", {}, box, " ", name)];
    });
    const made = el(
        "div",
        { class: "cem-several", role: "group", "aria-label": label, tabindex: "-1" },
        ...boxes.map(([, item]) => item),
        pairs.length ? null : el("span", { class: "cem-quiet" }, texts.noOptions),
    );
    return {
        el: made,
        control: made,
        focus: () => (boxes.length ? boxes[0][0] : made).focus(),
        get: () => {
            const found = boxes.filter(([box]) => box.checked).map(([box]) => box.value);
            return found.length ? found : undefined;
        },
    };
};

/** Words of one's own, each with a button that takes it away. */
export const words = (value, { label, changed, options = [], numeric = false, texts }) => {
    const kept = asList(value).map(String);
    const list = el("ul", { class: "cem-chips" });
    const input = el("input", {
        type: "text",
        autocomplete: "off",
        placeholder: texts.addMore,
        inputmode: numeric ? "decimal" : null,
        title: texts.addValue,
    });
    const draw = () => {
        list.replaceChildren(
            ...kept.map((word, place) =>
                el(
                    "li",
                    {},
                    el("bdi", {}, word),
                    button("×", () => drop(place), { "aria-label": say(texts.removeValue, word) }),
                ),
            ),
        );
        list.hidden = kept.length === 0;
    };
    const drop = (place) => {
        kept.splice(place, 1);
        draw();
        const next = list.querySelectorAll("button")[Math.min(place, kept.length - 1)];
        (next ?? input).focus();
        changed();
    };
    const take = () => {
        const found = input.value.split(",").map((word) => word.trim()).filter(Boolean);
        if (!found.length) {
            return;
        }
        kept.push(...found.filter((word) => !kept.includes(word)));
        input.value = "";
        draw();
        changed();
    };
    input.addEventListener("keydown", (event) => {
        if (event.isComposing) {
            return;
        }
        if (event.key === "Enter") {
            event.preventDefault(); // ends the word, and sends no form
            take();
        }
    });
    input.addEventListener("input", () => (input.value.includes(",") ? take() : changed()));
    input.addEventListener("change", () => whenReleased(take));
    draw();
    const box = labelled(label, input);
    const suggested = suggest(input, options);
    if (suggested) {
        box.append(suggested);
    }
    box.prepend(list);
    box.classList.add("cem-words");
    return {
        el: box,
        control: input,
        focus: () => input.focus(),
        get: () => {
            const pending = input.value.trim();
            const found = pending && !kept.includes(pending) ? [...kept, pending] : kept;
            if (!found.length) {
                return undefined;
            }
            return numeric ? found.map(asNumber) : [...found];
        },
    };
};

/** Choices one after the other: what is tried first, and what if that finds nobody. */
export const ordered = (value, { label, changed, options, texts }) => {
    const kept = asList(value).map(String);
    const id = newId("ordered");
    const made = el("div", { class: "cem-ordered", role: "group", "aria-label": label, id });
    const draw = (focused = -1) => {
        const open = kept.length < options.length ? [...kept, ""] : kept;
        made.replaceChildren(
            ...open.map((word, place) => {
                const rest = options.filter(([key]) => key === word || !kept.includes(key));
                const choice = select(rest, word, {
                    empty: place ? texts.stop : texts.choose,
                    gone: texts.gone,
                    "aria-label": `${label} ${place + 1}`,
                    onchange: () => {
                        kept.splice(place, 1, ...(choice.value ? [choice.value] : []));
                        draw(place);
                        changed();
                    },
                });
                return el("div", {}, el("span", { class: "cem-quiet" }, `${place + 1}. `), choice);
            }),
        );
        if (focused >= 0) {
            made.querySelectorAll("select")[Math.min(focused, open.length - 1)].focus();
        }
    };
    draw();
    return {
        el: made,
        control: made,
        focus: () => made.querySelector("select").focus(),
        get: () => (kept.length ? [...kept] : undefined),
    };
};
