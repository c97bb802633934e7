/* The examples below the targets of an SLA policy follow what is typed: the form is sent
   to the site, which answers with the sentences and saves nothing. Without this script
   the button does the same. */
"use strict";
{
    const PAUSE = 400; // milliseconds without a key, before the site is asked

    const follow = (box) => {
        const form = box.closest("form");
        const said = box.querySelector("[aria-live]");
        let waiting;
        let asked = 0;

        const show = (html) => {
            said.innerHTML = html; // from our own site, escaped there
            said.removeAttribute("aria-busy");
        };

        const fail = () => {
            said.textContent = box.dataset.failed;
            said.removeAttribute("aria-busy");
        };

        const ask = async () => {
            const mine = ++asked;
            said.setAttribute("aria-busy", "true");
            try {
                const answer = await fetch(box.dataset.examplesUrl, {
                    method: "POST",
                    body: new FormData(form),
                    credentials: "same-origin",
                });
                const html = await answer.text();
                if (mine !== asked) {
                    return; // something else was typed meanwhile
                }
                if (answer.ok && !answer.redirected) {
                    show(html);
                } else {
                    fail();
                }
            } catch {
                if (mine === asked) {
                    fail();
                }
            }
        };

        const later = () => {
            clearTimeout(waiting);
            waiting = setTimeout(ask, PAUSE);
        };

        // Enter in a field takes the first button of a form: let that be Save.
        box.querySelector("button")?.remove();
        form.addEventListener("input", later);
        form.addEventListener("change", later);
        // Rows are added and taken away by the admin; its pop-ups choose with jQuery.
        document.addEventListener("formset:added", later);
        document.addEventListener("formset:removed", later);
        window.django?.jQuery?.(form).on("change", later);
    };

    document.querySelectorAll("[data-examples-url]").forEach(follow);
}
