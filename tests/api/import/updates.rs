//! `countersign import users` with `--mail` and `--update`.

use countersign::store::users;
use serde_json::json;

use super::line_contains;
use crate::helpers::{ByUser, PASSWORD};
use crate::pages::password::link_in;

const UPDATE: [&str; 4] = ["users", "file.csv", "--json", "--update"];
const USABLE_LINKS: &str =
    "SELECT count(*) AS n FROM password_links WHERE used_at IS NULL AND replaced_at IS NULL";

on_both_databases! {
    async fn new_active_users_without_a_password_get_a_link_by_mail(app: TestApp) {
        app.user("old@example.org");
        let hash = countersign::auth::password::hash(PASSWORD).unwrap();
        let file = format!(
            "email,active,password_hash\nold@example.org,,\nada@example.org,,\nbob@example.org,true,\n\
             ADA@example.org,,\nnew@example.org,,\"{hash}\"\noff@example.org,false,\n"
        );
        let ended = app.import(&["users", "file.csv", "--mail", "--json"], &file);
        assert_eq!(ended.json(), json!({ "imported": 4, "skipped": 2, "mails": 2 }));
        assert_eq!(app.count(USABLE_LINKS), 2);
        app.sync_clock_to_database();
        let mails = app.mails(2).await;
        let mut addresses: Vec<_> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
        addresses.sort();
        assert_eq!(addresses, ["ada@example.org", "bob@example.org"]);

        let of_ada = mails.iter().find(|mail| mail.to == ["ada@example.org"]).unwrap();
        let link = link_in(of_ada);
        let new = "nine purple llamas rowing";
        let form = [("token", link.split_once("token=").unwrap().1), ("new", new), ("confirm", new)];
        assert_eq!(app.signed_out().post_form(&app, "/set-password", &form).await.0, 303);
        let signed_in = app.get("/api/account/").basic_auth("ada@example.org", Some(new)).send().await.unwrap();
        assert_eq!(signed_in.status(), 200);
        // A repeated import sends nothing.
        let ended = app.import(&["users", "file.csv", "--mail", "--json"], &file);
        assert_eq!(ended.json(), json!({ "imported": 0, "skipped": 6, "mails": 0 }));
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox"), 2);
    }

    async fn an_update_changes_names_and_disables_users_as_the_command_does(app: TestApp) {
        app.sync_clock_to_database();
        app.staff("root@example.org");
        let (ada, grace) = (app.user("ada@example.org"), app.user("grace@example.org"));
        let (same, gone) = (app.user("same@example.org"), app.user("gone@example.org"));
        app.disable(&gone);
        app.password_link(&grace);
        let session = app.signed_in(&grace);
        assert_eq!(session.get_page(&app, "/account").await.0, 200);

        let file = "email,first_name,last_name,active,staff,password_hash\n\
            ada@example.org,Augusta Ada,,,true,\n\
            grace@example.org,Grace,Hopper,false,,\n\
            GRACE@example.org,Other,,true,,\n\
            same@example.org,same,Test,true,,\n\
            gone@example.org,,,true,,\n\
            new@example.org,New,User,false,,\n";
        let changes = "SELECT count(*) AS n FROM audit_log WHERE action IN ('user.renamed', 'user.disabled', 'user.enabled')";
        assert_eq!(app.import_users(file), json!({ "imported": 1, "skipped": 5, "mails": 0 }));
        assert_eq!(app.count(changes), 0);
        let counts = json!({ "imported": 0, "skipped": 3, "updated": 3, "disabled": 1, "mails": 1 });
        assert_eq!(app.import(&UPDATE, file).json(), counts);

        let all = app.store.read(users::all).unwrap();
        let user = |email: &str| all.iter().find(|user| user.email.as_str() == email).unwrap();
        let names = |email: &str| (user(email).first_name.as_str(), user(email).last_name.as_str());
        assert_eq!(names(ada.email()), ("Augusta Ada", "Test"));
        assert_eq!(names(grace.email()), ("Grace", "Hopper"));
        assert_eq!(names(same.email()), ("same", "Test"));
        assert!(!user(ada.email()).staff && user(ada.email()).active);
        assert!(user(gone.email()).active && !user(grace.email()).active);
        for (action, times) in [
            ("user.renamed", 2),
            ("user.disabled", 1),
            ("user.enabled", 1),
            ("key.revoked", 1),
            ("session.closed", 1),
            ("users.imported", 1),
        ] {
            assert_eq!(app.count_events(action), times, "{action}");
        }
        assert_eq!(app.count(USABLE_LINKS), 0);
        assert_eq!(app.count("SELECT count(*) AS n FROM outbox WHERE notice = 'account-disabled'"), 1);
        assert_eq!(session.get_page(&app, "/account").await.0, 303);
        // The password, the keys and the session are refused, also once the user is enabled again.
        let enabled = file.replace("Hopper,false", "Hopper,true");
        let counts = json!({ "imported": 0, "skipped": 5, "updated": 1, "disabled": 0, "mails": 0 });
        assert_eq!(app.import(&UPDATE, &enabled).json(), counts);
        assert_eq!(app.get("/api/account/").by_user(&grace).send().await.unwrap().status(), 401);
        assert_eq!(session.get_page(&app, "/account").await.0, 303);
        let signed_in = app.get("/api/account/").basic_auth(grace.email(), Some(PASSWORD)).send().await.unwrap();
        assert_eq!(signed_in.status(), 200);
    }

    async fn the_last_administrator_is_not_disabled_by_a_file(app: TestApp) {
        for email in ["root@example.org", "admin@example.org"] {
            app.staff(email);
        }
        app.user("ada@example.org");
        let file = "email,first_name,active\nnew@example.org,New,\nada@example.org,Augusta,false\n\
            root@example.org,,false\nadmin@example.org,,false\n";
        let lines = app.import_refused(&["users", "--update", "--mail"], file);
        assert!(line_contains(&lines, 5, "active: the user is the last active administrator"), "{lines:?}");
        assert_eq!(lines.len(), 1);
        // A new administrator, or one who is enabled, takes over, wherever their line is.
        let file = "email,active,staff\nroot@example.org,false,\nadmin@example.org,false,\nnext@example.org,,true\n";
        let counts = json!({ "imported": 1, "skipped": 0, "updated": 2, "disabled": 2, "mails": 2 });
        assert_eq!(app.import(&UPDATE, file).json(), counts);
        let file = "email,active\nnext@example.org,false\nroot@example.org,true\n";
        let counts = json!({ "imported": 0, "skipped": 0, "updated": 2, "disabled": 1, "mails": 1 });
        assert_eq!(app.import(&UPDATE, file).json(), counts);
    }
}
