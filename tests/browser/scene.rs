//! A server as it may look after some weeks: a few people at a sleep laboratory, and those
//! whom they ask. What the places show is here.

use countersign::domain::bundle::{Bundle, BundleName, Description};
use countersign::domain::export::{ExpiryHours, NewExport};
use countersign::domain::grant::Terms;
use countersign::domain::hub::{HubId, NodeId};
use countersign::domain::permission::{Mask, Role};
use countersign::domain::request::{NewRequest, PermissionRequest};
use countersign::domain::user::Authority;
use countersign::store::bundles::{self, NewBundle};
use countersign::store::ledger::{Deed, RequestRef, Verdict};

use crate::helpers::{START, TestApp, TestUser};
use crate::places::Who;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
/// When it begins: 2026-05-07T00:45:00Z. Somebody looks eleven days later, at 13:20.
const FIRST_DAY: i64 = 1_778_114_700;

/// Who is there, and what their links are.
pub struct Scene {
    /// Who is asked.
    pub jonas: TestUser,
    /// Who asks.
    pub mara: TestUser,
    /// Who administers the server.
    pub ines: TestUser,
    /// Words in the places' paths, and what they stand for.
    names: Vec<(&'static str, String)>,
}

impl Scene {
    /// Sets it.
    pub fn set(app: &TestApp) -> Self {
        app.advance(FIRST_DAY - START / 1_000_000);
        let mara = app.person("mara.lindqvist@sleeplab.example", ["Mara", "Lindqvist"], false);
        let jonas = app.person("jonas.weber@mail.example", ["Jonas", "Weber"], false);
        let ines = app.person("ines.moreau@sleeplab.example", ["Inês", "Moreau"], true);
        let tomas = app.person("tomas.okafor@heartcohort.example", ["Tomás", "Okafor"], false);
        let leila = app.person("leila.haddad@mail.example", ["Leila", "Haddad"], false);
        let sleep = bundle(app, "Sleep and heart rate", "What a watch measures at night, from 2024 on.", 6);
        let steps = bundle(app, "Daily steps", "One number a day.", 2);
        let blood =
            bundle(app, "Laboratory results", "Blood counts and lipids, with the dates of the visits.", 6);
        let diary = bundle(app, "Sleep diary", "What you write in the mornings; new entries are added.", 14);
        for hub in ["sleeplab", "heartcohort"] {
            app.role(hub, &mara, Role::Owner);
            app.role(hub, &jonas, Role::Admin);
        }

        // What has been decided.
        let given = ask(app, &mara, &jonas, &steps, 7 * DAY);
        redeem(app, &given, &jonas);
        app.advance(2 * DAY + 3 * HOUR);
        let given = ask(app, &tomas, &jonas, &blood, 7 * DAY);
        redeem(app, &given, &jonas);
        let declined = ask(app, &tomas, &jonas, &diary, 7 * DAY);
        end(app, &declined, &jonas);
        let given = ask(app, &jonas, &leila, &steps, 7 * DAY);
        redeem(app, &given, &leila);
        app.advance(3 * DAY - 5 * HOUR);
        let withdrawn = ask(app, &mara, &jonas, &blood, 7 * DAY);
        end(app, &withdrawn, &mara);
        ask(app, &mara, &leila, &sleep, 2 * DAY);
        // What has been made, and is over.
        for (node, mask, hours) in
            [("night-2026-02", 6, 24), ("cohort-a", 2, 24 * 30), ("watch-17", 6, 24 * 14), ("diary", 6, 48)]
        {
            export(app, &jonas, node, mask, hours);
            export(app, &mara, node, mask, hours);
            app.advance(26 * HOUR);
        }
        app.advance(2 * DAY - 2 * HOUR);

        // What waits.
        ask(app, &tomas, &jonas, &steps, 10 * DAY);
        app.advance(6 * HOUR);
        ask(app, &mara, &leila, &diary, 7 * DAY);
        ask(app, &jonas, &leila, &sleep, 3 * DAY);
        let open = ask(app, &mara, &jonas, &sleep, 7 * DAY);
        app.advance(2 * HOUR + 35 * MINUTE);
        let names = vec![("{token}", app.redeem_token(&open)), ("{bundle}", sleep.id.to_string())];
        Self { jonas, mara, ines, names }
    }

    /// A place's path, with what stands in it.
    pub fn path(&self, path: &str) -> String {
        self.names.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
    }

    /// Who they are, of those who are somebody.
    pub fn user(&self, who: Who) -> Option<&TestUser> {
        match who {
            Who::Nobody => None,
            Who::Asked => Some(&self.jonas),
            Who::Asks => Some(&self.mara),
            Who::Staff => Some(&self.ines),
        }
    }
}

fn bundle(app: &TestApp, name: &str, description: &str, mask: i64) -> Bundle {
    let new = NewBundle {
        name: BundleName::new(name).unwrap(),
        description: Description::new(description).unwrap(),
        permission: Mask::new(mask).unwrap(),
    };
    app.store.write(|conn| bundles::insert(conn, &new)).unwrap()
}

fn ask(app: &TestApp, by: &TestUser, of: &TestUser, bundle: &Bundle, lifetime: i64) -> PermissionRequest {
    let terms = Terms { target: of.user.id, allowed: by.user.id, bundle: bundle.id };
    let new = NewRequest { terms, asked_by: by.user.id, lifetime, redeem_page: None, once: None };
    match app.commit(Deed::Ask(new)) {
        Verdict::Asked(Ok((request, ..))) => request,
        verdict => panic!("not asked: {verdict:?}"),
    }
}

fn redeem(app: &TestApp, request: &PermissionRequest, by: &TestUser) {
    let verdict = app.commit(Deed::Redeem { id: request.redeem_id, by: by.user.id, once: None });
    assert!(matches!(verdict, Verdict::Redeemed(Ok(_))), "{verdict:?}");
}

fn end(app: &TestApp, request: &PermissionRequest, by: &TestUser) {
    let by = Authority::User(by.user.id);
    let verdict = app.commit(Deed::End { which: RequestRef::Number(request.id), by });
    assert!(matches!(verdict, Verdict::Ended(Ok(_))), "{verdict:?}");
}

fn export(app: &TestApp, creator: &TestUser, node: &str, mask: i64, hours: i64) {
    let new = NewExport {
        creator: creator.user.id,
        hub: HubId::new("sleeplab").unwrap(),
        node: NodeId::new(node).unwrap(),
        mask: Mask::new(mask).unwrap(),
        expiry: ExpiryHours::new(hours).unwrap(),
    };
    let verdict = app.commit(Deed::CreateExport(new));
    assert!(matches!(verdict, Verdict::ExportCreated(Ok(_))), "{verdict:?}");
}
