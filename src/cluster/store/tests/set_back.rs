//! Etcd was set back to a backup: versions are lower than those that are known.

use super::*;

#[test]
fn a_list_is_believed_although_its_versions_went_back() {
    let store = store();
    feed(
        &store,
        [
            applied("changed", "u", "150"),
            applied("replaced", "new", "151"),
            applied("deleted", "v", "120"),
            deleted("deleted", "v", "152"),
        ],
    );
    let restored = [
        applied("changed", "u", "90"),
        applied("replaced", "old", "91"),
        applied("deleted", "v", "92"),
    ];
    feed(&store, [Change::Restarted].into_iter().chain(restored));
    feed(
        &store,
        [
            Change::Listed,
            applied("changed", "u", "101"),
            applied("deleted", "v", "102"),
        ],
    );
    let known = ["changed", "replaced", "deleted"].map(|name| version(&store, name));
    assert_eq!(
        known.each_ref().map(Option::as_deref),
        [Some("101"), Some("91"), Some("102")]
    );
}

#[test]
fn a_list_is_not_believed_over_what_was_learnt_since_it_began() {
    let store = store();
    feed(&store, [applied("deleted", "u", "4"), Change::Restarted]);
    store.wrote(&key("written"), &meta("w", "9"), Some(Selects::Tokens));
    store.deleted(&key("deleted"), &meta("u", "4"));
    feed(
        &store,
        [applied("written", "w", "8"), applied("deleted", "u", "4")],
    );
    assert_eq!(version(&store, "written").as_deref(), Some("9"));
    assert_eq!(version(&store, "deleted"), None);
}

#[test]
fn an_answer_older_than_what_was_known_as_it_was_asked_for_counts_and_asks_for_lists() {
    let store = store();
    let mut rewound = store.rewound();
    feed(&store, [applied("a", "u", "10")]);
    let known = store.known(&key("a"));
    store.answered(&key("a"), &known, Some(&meta("u", "12")));
    assert_eq!(version(&store, "a").as_deref(), Some("10"), "the watch brings it");
    feed(&store, [applied("a", "u", "14")]);
    store.answered(&key("a"), &known, Some(&meta("u", "12")));
    assert_eq!(version(&store, "a").as_deref(), Some("14"), "it was overtaken");
    assert!(!rewound.has_changed().unwrap());
    let known = store.known(&key("a"));
    store.answered(&key("a"), &known, Some(&meta("u", "9")));
    assert_eq!(version(&store, "a").as_deref(), Some("9"));
    assert!(rewound.has_changed().unwrap());
    rewound.mark_unchanged();
    store.wrote(&key("a"), &meta("u", "11"), None);
    assert_eq!(version(&store, "a").as_deref(), Some("11"));
}

/// Etcd was set back, and nothing that is known was there then.
#[test]
fn a_present_that_went_back_asks_for_lists() {
    let store = store();
    let mut rewound = store.rewound();
    for (present, lists) in [
        ("7", false),
        ("7", false),
        ("19", false),
        ("8", true),
        ("9", false),
    ] {
        store.present(&Version(present.to_owned()));
        assert_eq!(rewound.has_changed().unwrap(), lists, "{present}");
        rewound.mark_unchanged();
    }
}

/// Etcd was set back. One watch lists, and what is watched besides goes on from a version that does not exist yet.
#[test]
fn a_list_that_shows_the_past_asks_for_lists_of_all() {
    let store = store();
    let mut rewound = store.rewound();
    feed(&store, [applied("a", "u", "10"), Change::Restarted]);
    store.wrote(&key("a"), &meta("u", "14"), None);
    feed(&store, [applied("a", "u", "12"), Change::Listed]);
    assert!(
        !rewound.has_changed().unwrap(),
        "it was written after the list began"
    );
    feed(
        &store,
        [Change::Restarted, applied("a", "u", "14"), Change::Listed],
    );
    assert!(!rewound.has_changed().unwrap());
    feed(&store, [Change::Restarted, applied("a", "u", "12")]);
    assert!(rewound.has_changed().unwrap());
    rewound.mark_unchanged();
    feed(
        &store,
        [Change::Restarted, applied("a", "u", "12"), Change::Listed],
    );
    assert!(!rewound.has_changed().unwrap(), "it is known by now");
    feed(
        &store,
        [
            deleted("a", "u", "15"),
            Change::Restarted,
            applied("a", "u", "12"),
        ],
    );
    assert!(rewound.has_changed().unwrap(), "it rose again");
}

/// Etcd was set back to a time before a deletion, and the watches missed it.
#[test]
fn what_rose_again_is_known_from_an_answer_and_asks_for_lists() {
    for (died, lives) in [("12", "10"), ("12", "11")] {
        let store = store();
        let mut rewound = store.rewound();
        feed(&store, [applied("a", "u", "10")]);
        let before = store.known(&key("a"));
        feed(&store, [deleted("a", "u", died)]);
        let risen = meta("u", lives);
        store.answered(&key("a"), &before, Some(&risen));
        assert!(
            !rewound.has_changed().unwrap(),
            "asked before the deletion was known"
        );
        store.answered(&key("a"), &store.known(&key("a")), Some(&risen));
        assert!(rewound.has_changed().unwrap());
        rewound.mark_unchanged();
        store.wrote(&key("a"), &risen, Some(Selects::Tokens));
        assert_eq!(version(&store, "a").as_deref(), Some(lives));
    }
}

#[test]
fn what_we_deleted_and_is_still_there_rose_again() {
    let store = store();
    let rewound = store.rewound();
    feed(&store, [applied("a", "u", "5")]);
    store.deleted(&key("a"), &meta("u", "5"));
    store.answered(&key("a"), &store.known(&key("a")), Some(&meta("u", "5")));
    assert!(rewound.has_changed().unwrap());
}

#[test]
fn what_lost_its_label_did_not_rise_again() {
    let store = store();
    let rewound = store.rewound();
    feed(&store, [applied("a", "u", "10"), deleted("a", "u", "12")]);
    store.answered(&key("a"), &store.known(&key("a")), Some(&meta("u", "12")));
    assert!(!rewound.has_changed().unwrap());
}
