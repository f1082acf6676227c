//! The export token page.

use countersign::domain::hub::HubId;
use countersign::domain::rights::Role;
use countersign::store::hubs;

use super::{find_secret, ids, redirect_target};
use crate::helpers::TestApp;
use crate::page_client::PageClient;

const COUNT_TOKENS: &str = "SELECT count(*) AS n FROM export_tokens";

/// The form for a token of the node `n` that expires after a day.
const FORM: [(&str, &str); 5] =
    [("hub", "hub"), ("node", "n"), ("right", "read"), ("right", "get"), ("hours", "24")];

/// The form with one field changed.
fn form_with(name: &str, value: &'static str) -> Vec<(&'static str, &'static str)> {
    FORM.into_iter().map(|(other, usual)| (other, if other == name { value } else { usual })).collect()
}

/// Whether `/authz` accepts a token for this right.
async fn is_accepted(app: &TestApp, token: &str, right: &str) -> bool {
    let path = format!("/authz?hub_id=hub&nid=n&right={right}");
    app.get(&path).header("x-param-mfs-token", token).send().await.unwrap().status() == 204
}

async fn expect_refusal(app: &TestApp, visitor: &PageClient, form: &[(&str, &str)]) -> (u16, String) {
    let before = app.rows();
    let (status, page) = visitor.post_form(app, "/tokens/new", form).await;
    assert_eq!(app.rows(), before, "{form:?}");
    assert_eq!(find_secret(&page, "cse_"), None);
    (status, page)
}

on_both_databases! {
    async fn a_token_is_created_shown_once_and_revoked(app: TestApp) {
        let (carol, dan) = (app.user("carol@example.org"), app.user("dan@example.org"));
        app.grant_role("hub", &carol, Role::Admin);
        app.grant_role("hub", &dan, Role::Admin);
        let visitor = app.signed_in(&carol);
        assert!(visitor.get_page(&app, "/tokens").await.1.contains("No export tokens yet"));
        let (status, page) = visitor.get_page(&app, "/tokens/new").await;
        assert!(status == 200 && page.contains("value=\"admin\"") && !page.contains("value=\"owner\""), "{page}");
        let (status, page) = visitor.post_form(&app, "/tokens/new", &FORM).await;
        assert_eq!(status, 200);
        let token = find_secret(&page, "cse_").expect("the token is shown");
        assert_eq!(page.matches(&token).count(), 1, "{page}");
        assert!(page.contains("<svg class=\"qr\"") && page.contains("2 January 2030, 00:00 UTC"), "{page}");
        assert!(!page.contains("style="));
        assert!(is_accepted(&app, &token, "get").await && !is_accepted(&app, &token, "write").await);
        let (_, page) = visitor.get_page(&app, "/tokens").await;
        assert!(page.contains("view it, download it") && page.contains(">Active<"), "{page}");
        assert!(find_secret(&page, "cse_").is_none() && !page.contains(&token[10..]), "{page}");
        let id = ids(&page, "tokens").pop().unwrap();
        let path = format!("/tokens/{id}/revoke");
        let other = app.signed_in(&dan);
        assert!(ids(&other.get_page(&app, "/tokens").await.1, "tokens").is_empty());
        assert_eq!(other.post_form(&app, &path, &[]).await.0, 404);
        assert!(is_accepted(&app, &token, "read").await);
        for _ in 0..2 {
            assert_eq!(redirect_target(visitor.post(&app, &path, &[])).await, "/tokens?flash=token-revoked");
            assert!(!is_accepted(&app, &token, "read").await);
        }
        let (_, page) = visitor.get_page(&app, "/tokens?flash=token-revoked").await;
        assert!(page.contains("Token revoked. It no longer works") && page.contains(">Revoked<") && ids(&page, "tokens").is_empty(), "{page}");
        let events = "SELECT count(*) AS n FROM audit_log WHERE action IN ('export.created', 'export.revoked')";
        assert_eq!(app.count(events), 2);
        for id in ["x", "%00", "0", &token] {
            assert_eq!(visitor.post_form(&app, &format!("/tokens/{id}/revoke"), &[]).await.0, 404, "{id}");
        }
    }

    async fn a_token_expires_as_chosen_and_its_uses_are_shown(app: TestApp) {
        let carol = app.user("carol@example.org");
        app.grant_role("hub", &carol, Role::Owner);
        let visitor = app.signed_in(&carol);
        let (status, page) = visitor.post_form(&app, "/tokens/new", &form_with("hours", "0")).await;
        assert!(status == 200 && page.contains("does not expire"), "{page}");
        assert_eq!(visitor.post_form(&app, "/tokens/new", &form_with("hours", "1")).await.0, 200);
        app.execute_raw(
            "INSERT INTO export_uses (token_id, uses, last_used_at) \
             SELECT id, 7, created_at FROM export_tokens WHERE expires_at IS NULL",
        );
        app.advance(3_600);
        let (_, page) = visitor.get_page(&app, "/tokens").await;
        for wanted in [">Expired<", ">Active<", "7 times", "last used on", "1 January 2030, 01:00 UTC"] {
            assert!(page.contains(wanted), "{wanted}: {page}");
        }
    }

    async fn a_token_cannot_exceed_the_creators_rights_or_be_invalid(app: TestApp) {
        let (carol, dan) = (app.user("carol@example.org"), app.user("dan@example.org"));
        app.grant_role("hub", &carol, Role::Admin);
        app.grant_role("other", &carol, Role::Owner);
        app.grant_role("hub", &dan, Role::Manager);
        let visitor = app.signed_in(&carol);
        for (form, wrong, status) in [
            (form_with("hub", "nowhere"), "hub-error", 403),
            (form_with("hub", ""), "hub-error", 400),
            (form_with("right", "owner"), "hub-error", 403),
            (form_with("node", ""), "node-error", 400),
            (form_with("hours", "8761"), "hours-error", 400),
            (vec![("hub", "hub"), ("node", "n"), ("hours", "24")], "right-error", 400),
        ] {
            let (got, page) = expect_refusal(&app, &visitor, &form).await;
            assert_eq!(got, status, "{form:?}");
            assert!(page.contains(&format!("aria-describedby=\"{wrong}\"")) || page.contains(&format!(" {wrong}\"")), "{page}");
            assert!(page.contains(&format!("id=\"{wrong}\"")), "{page}");
        }
        for form in [form_with("right", "everything"), form_with("hours", "x"), form_with("hours", "-1"), form_with("hours", "1e3"), vec![("hub", "hub")], vec![]] {
            assert_eq!(expect_refusal(&app, &visitor, &form).await.0, 400, "{form:?}");
        }
        let visitor = app.signed_in(&dan);
        assert!(visitor.get_page(&app, "/tokens/new").await.1.contains("You are not an admin of any hub"));
        assert_eq!(expect_refusal(&app, &visitor, &FORM).await.0, 403);
        assert_eq!(app.count(COUNT_TOKENS), 0);
    }

    async fn an_admin_of_one_of_many_hubs_can_select_it(app: TestApp) {
        let carol = app.user("carol@example.org");
        app.store.write(|conn| {
            let now = conn.now()?;
            let others = (0..500).map(|nth| (format!("hub{nth}"), "Another", Role::Manager));
            for (id, name, role) in others.chain([("last".to_owned(), "The last", Role::Admin)]) {
                let id = HubId::new(&id).unwrap();
                hubs::insert(conn, &id, name, now)?;
                hubs::set_role(conn, &id, carol.user.id, role)?;
            }
            Ok(())
        }).unwrap();
        let (_, page) = app.signed_in(&carol).get_page(&app, "/tokens/new").await;
        assert!(page.contains("value=\"last\"") && !page.contains("You are not an admin of any hub"), "{page}");
        assert!(!page.contains("value=\"hub1\""), "{page}");
    }

    async fn tokens_have_pages_of_twenty(app: TestApp) {
        let carol = app.user("carol@example.org");
        app.grant_role("hub", &carol, Role::Admin);
        (0..21).for_each(|_| drop(app.export(&carol)));
        let visitor = app.signed_in(&carol);
        let first = ids(&visitor.get_page(&app, "/tokens").await.1, "tokens");
        let (_, page) = visitor.get_page(&app, "/tokens?tokens=20").await;
        let second = ids(&page, "tokens");
        assert_eq!((first.len(), second.len()), (20, 1));
        assert!(!first.contains(&second[0]));
        assert!(page.contains("21 to 21 of 21"), "{page}");
    }
}
