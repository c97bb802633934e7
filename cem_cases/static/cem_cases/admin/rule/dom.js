/* Elements, without a library: text is always a text node, never markup. */

let count = 0;

export const newId = (what) => `cem-${what}-${++count}`;

/** Return a new element; `on…` are listeners, `null` and `false` leave an attribute out. */
export const el = (tag, attributes = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) {
            made.addEventListener(name.slice(2), value);
        } else if (value === true) {
            made.setAttribute(name, "");
        } else if (value !== false && value !== null && value !== undefined) {
            made.setAttribute(name, value);
        }
    }
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
};

/** Put `value` into a text of ours, which has one place for it. */
export const say = (text, value) => String(text).split("%s").join(String(value));

export const button = (text, onclick, attributes = {}) =>
    el("button", { type: "button", class: "cem-button", onclick, ...attributes }, text);

/** Return a control below its label; the label may be for screen readers only. */
export const labelled = (label, control, { hidden = true, note = null } = {}) => {
    control.id = control.id || newId("control");
    const text = el("label", { for: control.id, class: hidden ? "cem-away" : "cem-label" }, label);
    return el("div", { class: "cem-control" }, text, control, note);
};

/** Return a select of `[value, label]` pairs. What it has and is not offered stays. */
export const select = (pairs, value, { empty = null, gone = "%s", ...attributes } = {}) => {
    const made = el("select", attributes);
    const known = pairs.some(([key]) => key === value);
    if (empty !== null) {
        made.append(el("option", { value: "" }, empty));
    }
    if (!known && value !== "" && value !== undefined && value !== null) {
        made.append(el("option", { value }, say(gone, value)));
    }
    made.append(...pairs.map(([key, label]) => el("option", { value: key }, label)));
    made.value = value ?? "";
    return made;
};

/** Return a list of suggestions for an input, and give the input to it. */
export const suggest = (input, pairs) => {
    if (!pairs.length) {
        return null;
    }
    const list = el(
        "datalist",
        { id: newId("list") },
        ...pairs.map(([value, label]) => el("option", { value, label: label === value ? null : label })),
    );
    input.setAttribute("list", list.id);
    return list;
};

/** Move the child at `from` of a list and of its elements to `to`. */
export const reorder = (items, from, to) => {
    const [item] = items.splice(from, 1);
    items.splice(to, 0, item);
    const next = items[to + 1];
    item.el.parentNode.insertBefore(item.el, next ? next.el : null);
};

/** Take away all children but the first, which keeps the focus if it has it. */
export const keepFirst = (parent) => {
    while (parent.lastChild !== parent.firstChild) {
        parent.lastChild.remove();
    }
};

let isPressed = false;
for (const [kind, now] of [["pointerdown", true], ["pointerup", false], ["pointercancel", false]]) {
    document.addEventListener(kind, () => (isPressed = now), true);
}

/** Do it once no button of the mouse is down: what moves away below it is not clicked. */
export const whenReleased = (act) => {
    if (isPressed) {
        document.addEventListener("pointerup", () => setTimeout(act), { once: true, capture: true });
    } else {
        act();
    }
};
