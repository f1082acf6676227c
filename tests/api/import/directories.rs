//! `countersign import users` with exports of directories, which have their own column names.

use countersign::store::users;
use serde_json::json;

use super::line_contains;
use crate::helpers::{Backend, TestApp};

/// An export: its first line, and two rows, the second one of a user who is not active.
struct Export {
    name: &'static str,
    header: &'static str,
    rows: [&'static str; 2],
    arguments: &'static [&'static str],
}

const EXPORTS: [Export; 5] = [
    Export {
        name: "Google Workspace, Download users",
        header: "First Name [Required],Last Name [Required],Email Address [Required],Password [Required],Password Hash Function [UPLOAD ONLY],Org Unit Path [Required],New Primary Email [UPLOAD ONLY],Status [READ ONLY],Last Sign In [READ ONLY],Recovery Email,Home Secondary Email,Work Secondary Email,Recovery Phone [MUST BE IN THE E.164 FORMAT],Work Phone,Home Phone,Mobile Phone,Work Address,Home Address,Employee ID,Employee Type,Employee Title,Manager Email,Department,Cost Center,2sv Enrolled [READ ONLY],2sv Enforced [READ ONLY],Building ID,Floor Name,Floor Section,Email Usage [READ ONLY],Drive Usage [READ ONLY],Photos Usage [READ ONLY],Storage limit [READ ONLY],Storage Used [READ ONLY],Change Password at Next Sign-In,New Status [UPLOAD ONLY],New Licenses [UPLOAD ONLY],Licenses [READ ONLY],Advanced Protection Program enrollment",
        rows: [
            "Ada,Lovelace,Ada@example.org,****,,/,,Active,2026/11/01 10:00:00,,,,,,,,,,,,,,,,TRUE,FALSE,,,,0.1GB,0.0GB,0.0GB,15.0GB,0.1GB,,,,Cloud Identity Free,False",
            "Bob,Builder,bob@example.org,****,,/,,Suspended,Never logged in,,,,,,,,\"1 Street, Town\",,,,,,,,FALSE,FALSE,,,,0.0GB,0.0GB,0.0GB,15.0GB,0.0GB,,,,,False",
        ],
        arguments: &[
            "--map",
            "Email Address [Required]=email",
            "--map",
            "First Name [Required]=first_name",
            "--map",
            "Last Name [Required]=last_name",
            "--map",
            "Status [READ ONLY]=active",
        ],
    },
    Export {
        name: "Microsoft Entra, Download users",
        header: "\u{feff}userPrincipalName,displayName,surname,mail,givenName,id,userType,jobTitle,department,accountEnabled,usageLocation,streetAddress,state,country,physicalDeliveryOfficeName,city,postalCode,telephoneNumber,mobile,alternateEmailAddress,ageGroup,consentProvidedForMinor,legalAgeGroupClassification,companyName,creationType,directorySynced,invitationState,identityIssuer,createdDateTime",
        rows: [
            "ada@example.onmicrosoft.com,Ada Lovelace,Lovelace,ada@example.org,Ada,2f7c1d3e-0000-4000-8000-000000000001,Member,,,True,GB,,,,,,,,,,,,,,,False,,example.onmicrosoft.com,2026-01-31T12:00:00Z",
            "bob@example.onmicrosoft.com,Bob Builder,Builder,bob@example.org,Bob,2f7c1d3e-0000-4000-8000-000000000002,Member,,,False,GB,,,,,,,,,,,,,,,False,,example.onmicrosoft.com,2026-01-31T12:00:00Z",
        ],
        arguments: &[
            "--map",
            "mail=email",
            "--map",
            "givenName=first_name",
            "--map",
            "surname=last_name",
            "--map",
            "accountEnabled=active",
        ],
    },
    Export {
        name: "Okta, report of users",
        header: "login,firstName,lastName,middleName,honorificPrefix,honorificSuffix,email,title,displayName,nickName,profileUrl,secondEmail,mobilePhone,primaryPhone,streetAddress,city,state,zipCode,countryCode,postalAddress,preferredLanguage,locale,timezone,userType,employeeNumber,costCenter,organization,division,department,managerId,manager,status",
        rows: [
            "ada,Ada,Lovelace,,,,ada@example.org,,,,,,,,,,,,,,,,,,,,,,,,,ACTIVE",
            "bob,Bob,Builder,,,,bob@example.org,,,,,,,,,,,,,,,,,,,,,,,,,DEPROVISIONED",
        ],
        arguments: &[
            "--map",
            "firstName=first_name",
            "--map",
            "lastName=last_name",
            "--map",
            "status=active",
        ],
    },
    Export {
        name: "Keycloak, kcadm get users with jq",
        header: "\"username\",\"email\",\"firstName\",\"lastName\",\"enabled\"",
        rows: [
            "\"ada\",\"ada@example.org\",\"Ada\",\"Lovelace\",true",
            "\"bob\",\"bob@example.org\",\"Bob\",\"Builder\",false",
        ],
        arguments: &[
            "--map",
            "firstName=first_name",
            "--map",
            "lastName=last_name",
            "--map",
            "enabled=active",
        ],
    },
    Export {
        name: "Keycloak, COPY user_entity TO STDOUT CSV HEADER",
        header: "id,email,email_constraint,email_verified,enabled,federation_link,first_name,last_name,realm_id,username,created_timestamp,service_account_client_link,not_before",
        rows: [
            "5f0c,ada@example.org,ada@example.org,t,t,,Ada,Lovelace,a1,ada,1767225600000,,0",
            "5f0d,bob@example.org,bob@example.org,t,f,,Bob,Builder,a1,bob,1767225600000,,0",
        ],
        arguments: &["--map", "enabled=active"],
    },
];

#[test]
fn exports_of_directories_are_imported() {
    for Export { name, header, rows, arguments } in EXPORTS {
        let app = TestApp::without_server(Backend::Sqlite);
        let file = format!("{header}\r\n{}\r\n", rows.join("\r\n"));
        let arguments = [&["users", "file.csv", "--json", "--ignore-unknown"], arguments].concat();
        let imported = app.import(&arguments, &file).json();
        assert_eq!(imported, json!({ "imported": 2, "skipped": 0, "mails": 0 }), "{name}");
        let all = app.store.read(users::all).unwrap();
        let names: Vec<_> = all
            .iter()
            .map(|user| (user.email.as_str(), user.first_name.as_str(), user.last_name.as_str(), user.active))
            .collect();
        let expected =
            [("ada@example.org", "Ada", "Lovelace", true), ("bob@example.org", "Bob", "Builder", false)];
        assert_eq!(names, expected, "{name}");
    }
}

#[test]
fn an_unknown_status_is_refused_with_its_line() {
    let app = TestApp::without_server(Backend::Sqlite);
    let file = "email,status\nada@example.org,ACTIVE\nbob@example.org,LOCKED_OUT\n";
    let lines = app.import_refused(&["users", "--map", "status=active"], file);
    assert!(line_contains(&lines, 3, "active: must be true or false, or active, enabled,"), "{lines:?}");
    assert_eq!(lines.len(), 1);
}
