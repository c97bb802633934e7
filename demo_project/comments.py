"""What the demo's customers and agents write. Fits the score, the cause, the touchpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Words = Mapping[str, Mapping[str, Sequence[str]]]
"""Key → language → sentences."""

UNHAPPY: Words = {
    "late-delivery": {
        "en": [
            "The sofa came eleven days late.",
            "Delivery was promised for Tuesday and came the week after.",
            "Three delivery dates, none of them kept.",
            "Two weeks of waiting, and the tracking never changed.",
            "I took a day off for the delivery and nobody came until Friday.",
        ],
        "de": [
            "Die Lieferung kam neun Tage zu spät.",
            "Drei Liefertermine, keiner wurde eingehalten.",
            "Zwei Wochen auf die Lieferung gewartet, ohne jede Nachricht.",
        ],
    },
    "damaged-in-transit": {
        "en": [
            "The table arrived with a broken leg.",
            "Box torn open, two scratches on the door of the cupboard.",
            "Glass shelf was in pieces when we opened the parcel.",
        ],
        "de": [
            "Der Schrank kam mit einer tiefen Schramme an.",
            "Glasplatte zerbrochen, Karton aufgerissen.",
        ],
    },
    "wrong-item": {
        "en": [
            "I ordered oak and got walnut.",
            "Wrong size of mattress was delivered.",
        ],
        "de": [
            "Falsche Farbe geliefert.",
            "Bestellt war das große Regal, nicht das kleine.",
        ],
    },
    "missed-appointment": {
        "en": [
            "Waited from eight to six, the driver never rang.",
            "The driver says nobody was home. We were.",
        ],
        "de": ["Den ganzen Tag zu Hause gewartet, niemand kam."],
    },
    "no-delivery-notice": {
        "en": [
            "Nobody told me when the parcel would come.",
            "No message at all, the bed stood in the rain.",
        ],
        "de": ["Keine Nachricht, wann die Lieferung kommt."],
    },
    "defective-product": {
        "en": [
            "The lamp stopped working after a week.",
            "Drawer does not close, the rail is bent.",
            "The desk's motor gave up on the third day.",
        ],
        "de": ["Die Lampe ging nach einer Woche nicht mehr.", "Die Schublade klemmt."],
    },
    "quality-below-promise": {
        "en": [
            "Looks much cheaper than in the pictures.",
            "The fabric is already wearing thin.",
        ],
        "de": ["Die Qualität entspricht nicht dem Preis."],
    },
    "missing-parts": {
        "en": ["Four screws and one board were missing.", "No legs in the box."],
        "de": ["Es fehlten Schrauben und ein Brett."],
    },
    "unclear-instructions": {
        "en": [
            "Took us five hours, step 14 is simply wrong.",
            "The assembly drawing shows another model.",
        ],
        "de": ["Die Aufbauanleitung ist unverständlich."],
    },
    "long-wait": {
        "en": [
            "Forty minutes in the queue before anyone picked up.",
            "Six days for an answer to a simple e-mail.",
            "Your hotline music is nice, but not for half an hour.",
        ],
        "de": [
            "Über eine halbe Stunde in der Warteschleife.",
            "Auf meine E-Mail kam fünf Tage lang nichts.",
        ],
    },
    "not-solved-first-time": {
        "en": [
            "I had to explain the same thing to four people.",
            "Third call, and it is still not solved.",
        ],
        "de": ["Zum dritten Mal angerufen, immer noch nicht gelöst."],
    },
    "promise-not-kept": {
        "en": [
            "You promised to call back. You did not.",
            "The replacement was promised for last month.",
        ],
        "de": ["Der versprochene Rückruf kam nie."],
    },
    "unfriendly-contact": {
        "en": ["The person on the phone was rude.", "I was treated like a liar."],
        "de": ["Der Mitarbeiter war sehr unfreundlich."],
    },
    "misleading-description": {
        "en": [
            "The measurements on the website are wrong.",
            "It said solid wood. It is not.",
        ],
        "de": ["Die Maße auf der Webseite stimmen nicht."],
    },
    "out-of-stock": {
        "en": ["In stock, said the website. It was not.", "Cancelled after two weeks."],
        "de": ["Laut Webseite lieferbar, war es aber nicht."],
    },
    "checkout-problem": {
        "en": [
            "The payment page failed three times.",
            "The voucher was refused at the very end.",
        ],
        "de": ["Beim Bezahlen brach die Seite dreimal ab."],
    },
    "wrong-invoice": {
        "en": ["The invoice shows the wrong company.", "Charged twice for one order."],
        "de": ["Doppelt abgebucht.", "Falsche Adresse auf der Rechnung."],
    },
    "slow-refund": {
        "en": [
            "I have been waiting for my refund for five weeks.",
            "The chair went back a month ago. Where is my money?",
        ],
        "de": ["Seit vier Wochen warte ich auf die Erstattung."],
    },
    "price": {
        "en": ["Too expensive for what you get.", "The delivery fee is a joke."],
        "de": ["Zu teuer für das, was man bekommt."],
    },
}

ANGRY: Mapping[str, Sequence[str]] = {
    "en": [
        "This is unacceptable.",
        "I want a refund.",
        "Take this as a formal complaint.",
        "I am going to cancel my account.",
        "Never again.",
    ],
    "de": [
        "Das ist eine Beschwerde.",
        "Ich möchte mein Geld zurück.",
        "Nie wieder.",
    ],
}
"""What the lowest scores add."""

LUKEWARM: Words = {
    "checkout": {
        "en": ["Fine, but the filters could be better.", "Okay, a bit slow."],
        "de": ["In Ordnung, aber die Suche könnte besser sein."],
    },
    "delivery": {
        "en": ["On the day, but four hours after the window.", "Okay."],
        "de": ["Kam am richtigen Tag, aber sehr spät abends."],
    },
    "product": {
        "en": ["Good, assembly takes its time.", "Solid, nothing special."],
        "de": ["Gut, der Aufbau dauert aber."],
    },
    "support": {
        "en": ["Solved in the end.", "Helpful, but it took two calls."],
        "de": ["Hat geklappt, nach dem zweiten Anruf."],
    },
    "billing": {
        "en": ["Correct, but I had to ask for the invoice."],
        "de": ["Stimmt, die Rechnung musste ich aber anfordern."],
    },
    "relationship": {
        "en": ["Good furniture, fair prices, nothing more.", "Mostly fine."],
        "de": ["Alles in allem in Ordnung."],
    },
}

HAPPY: Words = {
    "checkout": {
        "en": ["Ordered in three minutes.", "Lovely website, clear pictures."],
        "de": ["Sehr übersichtlich, schnell bestellt."],
    },
    "delivery": {
        "en": [
            "On time to the minute, and they carried it upstairs!",
            "Two very friendly drivers.",
            "Fast and careful.",
        ],
        "de": ["Pünktlich, freundlich, bis in die Wohnung getragen.", "Super schnell."],
    },
    "product": {
        "en": ["Beautiful table, exactly as shown.", "Best mattress we ever had."],
        "de": ["Wunderschön und sehr stabil.", "Genau wie auf den Bildern."],
    },
    "support": {
        "en": ["One call, solved in five minutes.", "Lena was wonderful, thank you!"],
        "de": ["Sofort geholfen, vielen Dank!"],
    },
    "billing": {
        "en": ["Refund was there the next day.", "Clear invoice, no surprises."],
        "de": ["Erstattung kam am nächsten Tag."],
    },
    "relationship": {
        "en": [
            "Third order, always good.",
            "I tell all my friends about you.",
            "Great quality and people who care.",
        ],
        "de": ["Immer wieder gern.", "Tolle Möbel, toller Service."],
    },
}

CALL_ME: Mapping[str, Sequence[str]] = {
    "en": ["Please call me back.", "Can somebody ring me about it?"],
    "de": ["Bitte rufen Sie mich zurück."],
}

REMEDIES: Mapping[str, Sequence[str]] = {
    "late-delivery": [
        "Carrier confirmed the delay. Delivery fee refunded, new date kept.",
        "Apologised, voucher of 30 EUR sent; the depot was overloaded.",
    ],
    "damaged-in-transit": ["Replacement sent by express, old one collected."],
    "wrong-item": ["Right item sent the same day, collection booked."],
    "missed-appointment": ["New appointment on a Saturday, confirmed by phone."],
    "no-delivery-notice": ["Contact data corrected; the text messages work now."],
    "defective-product": ["Exchanged under guarantee."],
    "quality-below-promise": ["Took it back without a fee, told the buyer."],
    "missing-parts": ["Parts sent by letter, arrived two days later."],
    "unclear-instructions": ["Assembly team went there for free."],
    "long-wait": ["Apologised and solved it on the phone."],
    "not-solved-first-time": ["One person keeps it now until it is done."],
    "promise-not-kept": ["Called back, explained, and did what was promised."],
    "unfriendly-contact": ["Apologised; the call was listened to with the colleague."],
    "misleading-description": ["Description corrected, difference refunded."],
    "out-of-stock": ["Offered a similar model at the same price; accepted."],
    "checkout-problem": ["Order taken by phone, voucher honoured."],
    "wrong-invoice": ["Invoice corrected and sent again."],
    "slow-refund": ["Refund paid out the same day."],
    "price": ["Explained the fees; free delivery for the next order."],
    "no-cause-found": ["Talked it through; the customer just wanted to be heard."],
}
"""What agents write when they resolve a case, by its cause."""

CHECKED = [
    "Looked through the order history, nothing similar before.",
    "Asked the depot for the tracking, answer expected today.",
    "Spoke to the colleague who had the first call.",
    "Customer prefers calls after four.",
]
WAITS = (
    ("set_pending", "A photo of the damage from the customer"),
    ("set_pending", "The customer looks for the invoice"),
    ("put_on_hold", "The carrier searches for the parcel"),
    ("put_on_hold", "A spare part is on its way to us"),
)
STILL_UNHAPPY = [
    "The same thing happened again.",
    "What was promised did not arrive.",
    "Customer wrote back: not solved.",
]
