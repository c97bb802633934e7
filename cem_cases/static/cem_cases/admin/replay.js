/* The replay of a rule. The site answers in lines: how far it is, and at last the result.
   Without this script the same form brings the whole page, once all is done. */

const LINES = "application/x-ndjson";

class Replay {
    constructor(form) {
        this.form = form;
        this.said = form.dataset;
        this.box = document.querySelector("[data-replay-progress]");
        this.result = document.querySelector("[data-replay-result]");
        this.bar = this.box.querySelector("progress");
        this.text = this.box.querySelector("[role=status]");
        this.button = form.querySelector("button");
    }

    start() {
        this.form.addEventListener("submit", (event) => {
            event.preventDefault();
            this.run();
        });
        if ("starts" in this.said) {
            this.run();
        }
    }

    async run() {
        this.begin();
        try {
            const answer = await fetch(this.form.action, {
                method: "POST",
                body: new FormData(this.form),
                headers: { Accept: LINES },
                credentials: "same-origin",
            });
            const isOurs = answer.headers.get("Content-Type")?.startsWith(LINES);
            if (!answer.ok || !isOurs || !(await this.read(answer.body))) {
                this.fail();
            }
        } catch {
            this.fail();
        }
        this.end();
    }

    begin() {
        this.button.disabled = true;
        this.bar.removeAttribute("value");
        this.text.textContent = this.said.counting;
        this.box.hidden = false;
        this.result.setAttribute("aria-busy", "true");
    }

    end() {
        this.button.disabled = false;
        this.box.hidden = true;
        this.result.removeAttribute("aria-busy");
        this.result.querySelector("[data-replay-head]")?.focus();
    }

    /** Read line by line; return whether the result was among them. */
    async read(body) {
        const reader = body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        let isDone = false;
        for (;;) {
            const { done, value } = await reader.read();
            if (done) {
                return isDone;
            }
            const lines = (rest + value).split("\n");
            rest = lines.pop();
            for (const line of lines) {
                isDone = this.take(JSON.parse(line)) || isDone;
            }
        }
    }

    take(found) {
        if ("html" in found) {
            this.result.innerHTML = found.html; // from our own site, escaped there
            return true;
        }
        this.bar.max = Math.max(found.total, 1);
        this.bar.value = found.done;
        this.text.textContent = this.said.progress
            .replace("%(done)s", found.done.toLocaleString())
            .replace("%(total)s", found.total.toLocaleString());
        return false;
    }

    fail() {
        const note = document.createElement("p");
        note.className = "errornote";
        note.tabIndex = -1;
        note.dataset.replayHead = "";
        note.textContent = this.said.failed;
        this.result.replaceChildren(note);
    }
}

document.querySelectorAll("form[data-replay]").forEach((form) => new Replay(form).start());
