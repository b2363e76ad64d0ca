//! Pairing, challenges and tokens.

use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Key, Server};

#[tokio::test]
async fn the_first_device_is_the_owner_and_its_code_works_once() {
    let server = Server::start().await;
    let code = server.ingress.pairing_code().await.unwrap();
    let (status, granted) = server.pair_with(&code, "laptop", &Key::p256(1)).await;
    assert_eq!(
        (status, &granted["role"], &granted["expires_in"]),
        (StatusCode::OK, &json!("owner"), &json!(600))
    );
    let (status, me) = server.device(&granted).get("/v1/auth/whoami").await;
    assert_eq!((status, &me["name"], &me["role"]), (StatusCode::OK, &json!("laptop"), &json!("owner")));

    let (status, error) = server.pair_with(&code, "other", &Key::p256(2)).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::FORBIDDEN, &json!("forbidden")));
    assert!(error["error"]["message"].as_str().unwrap().contains("used before"), "{error}");
}

#[tokio::test]
async fn an_expired_code_says_so() {
    let server = Server::start().await;
    let code = server.ingress.pairing_code().await.unwrap();
    server.clock.advance(600_000);
    let (status, error) = server.pair_with(&code, "late", &Key::p256(1)).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(error["error"]["message"].as_str().unwrap().contains("expired"), "{error}");
}

#[tokio::test]
async fn after_any_number_of_wrong_codes_the_right_one_still_works() {
    let server = Server::start().await;
    let right = server.ingress.pairing_code().await.unwrap();
    let mut limited = 0;
    for guess in 0..100 {
        let (status, _) = server.pair_with(&format!("{guess:032x}"), "guesser", &Key::p256(1)).await;
        assert!(matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS));
        limited += u32::from(status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!(limited > 50, "the guesser is told to wait");
    let (status, _) = server.pair_with(&right, "person", &Key::p256(1)).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_further_device_waits_until_an_owner_compared_the_code() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let key = Key::p256(7);
    let (status, pending) = server.pair("phone", &key).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let id = DeviceId::parse(pending["device_id"].as_str().unwrap()).unwrap();
    let (status, error) = server.sign_in(&id, &key).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::FORBIDDEN, &json!("forbidden")));

    let (_, list) = owner.get("/v1/auth/devices").await;
    let row = list["data"].as_array().unwrap().iter().find(|row| row["id"] == json!(id)).unwrap();
    assert_eq!(row["confirm_code"], pending["confirm_code"]);
    let change = json!({ "confirm": true, "role": "approver" });
    let (status, row) = owner.patch(&format!("/v1/auth/devices/{id}"), &change).await;
    assert_eq!((status, row.get("confirm_code")), (StatusCode::OK, None));

    let (status, granted) = server.sign_in(&id, &key).await;
    assert_eq!((status, &granted["role"]), (StatusCode::OK, &json!("approver")));
}

#[tokio::test]
async fn a_machine_says_what_it_is_and_a_confirmation_grants_exactly_that() {
    let server = Server::start().await;
    let pair = async |role: &str, key: &Key| {
        let code = server.ingress.pairing_code().await.unwrap();
        let body = json!({ "code": code, "device_name": "m", "public_key": key.public(), "role": role });
        server.anonymous().post("/v1/auth/pair", &body).await
    };
    let (machine, person) = (Key::ed25519(31), Key::p256(32));
    let (status, waits) = pair("bridge", &machine).await;
    assert_eq!(status, StatusCode::ACCEPTED, "a machine is no owner, not even the first: {waits}");
    let owner = server.owner().await;
    let confirmed = async |waits: &serde_json::Value, key: &Key| {
        let id = DeviceId::parse(waits["device_id"].as_str().unwrap()).unwrap();
        owner.patch(&format!("/v1/auth/devices/{id}"), &json!({ "confirm": true })).await;
        server.sign_in(&id, key).await.1["role"].clone()
    };
    assert_eq!(confirmed(&waits, &machine).await, "bridge");
    let (_, waits) = pair("owner", &person).await;
    assert_eq!(confirmed(&waits, &person).await, "viewer", "nobody asks for more");
}

#[tokio::test]
async fn a_further_device_without_a_key_is_refused_and_its_code_is_not_used_up() {
    let server = Server::start().await;
    server.owner().await;
    let code = server.ingress.pairing_code().await.unwrap();
    let body = json!({ "code": code, "device_name": "keyless" });
    assert_eq!(server.anonymous().post("/v1/auth/pair", &body).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(server.pair_with(&code, "keyed", &Key::p256(3)).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn both_kinds_of_keys_sign_in_and_a_nonce_works_once() {
    let server = Server::start().await;
    for (seed, key) in [(1, Key::p256(9)), (2, Key::ed25519(9))] {
        let public = serde_json::from_value(key.public()).unwrap();
        let id = server.ingress.provision_device(&format!("d{seed}"), Role::Viewer, public).await.unwrap();
        assert_eq!(server.sign_in(&id, &key).await.0, StatusCode::OK);

        let device = server.anonymous();
        let (_, challenge) = device.post("/v1/auth/challenge", &json!({ "device_id": id })).await;
        let nonce = challenge["nonce"].as_str().unwrap();
        let signature = key.sign(&portcullis_protocol::wire::rest::challenge_text(&id, nonce));
        let body = json!({ "device_id": id, "nonce": nonce, "signature": signature });
        assert_eq!(device.post("/v1/auth/token", &body).await.0, StatusCode::OK);
        assert_eq!(
            device.post("/v1/auth/token", &body).await.0,
            StatusCode::UNAUTHORIZED,
            "the same nonce again"
        );
    }
}

#[tokio::test]
async fn a_signature_of_another_key_or_over_an_old_nonce_gets_no_token() {
    let server = Server::start().await;
    let key = Key::ed25519(5);
    let public = serde_json::from_value(key.public()).unwrap();
    let id = server.ingress.provision_device("d", Role::Viewer, public).await.unwrap();
    assert_eq!(server.sign_in(&id, &Key::ed25519(6)).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(server.sign_in(&id, &Key::p256(5)).await.0, StatusCode::UNAUTHORIZED);
    let stranger = DeviceId::parse("dev_unknown").unwrap();
    assert_eq!(server.sign_in(&stranger, &key).await.0, StatusCode::UNAUTHORIZED);

    let device = server.anonymous();
    let (_, challenge) = device.post("/v1/auth/challenge", &json!({ "device_id": id })).await;
    let nonce = challenge["nonce"].as_str().unwrap();
    let signature = key.sign(&portcullis_protocol::wire::rest::challenge_text(&id, nonce));
    server.clock.advance(60_000);
    let body = json!({ "device_id": id, "nonce": nonce, "signature": signature });
    assert_eq!(device.post("/v1/auth/token", &body).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn junk_in_credential_fields_is_an_error_in_the_one_shape() {
    let server = Server::start().await;
    let device = server.anonymous();
    for body in [
        json!({}),
        json!(null),
        json!({ "device_id": "../x", "nonce": "n", "signature": "s" }),
        json!({ "device_id": 7, "nonce": [], "signature": {} }),
        json!({ "device_id": "d", "nonce": "n", "signature": "x".repeat(70_000) }),
    ] {
        let (status, _) = device.post("/v1/auth/token", &body).await;
        assert!(status.is_client_error(), "{status}");
    }
    for key in [
        json!({ "alg": "none", "key": "" }),
        json!({ "alg": "ES256", "key": "AAAA" }),
        json!({ "alg": "EdDSA", "key": "!!" }),
        json!({ "alg": "EdDSA", "key": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" }),
    ] {
        let body = json!({ "code": "c", "device_name": "d", "public_key": key });
        assert_eq!(device.post("/v1/auth/pair", &body).await.0, StatusCode::BAD_REQUEST, "{key}");
    }
    for token in ["x", "Bearer", &"t".repeat(5_000)] {
        assert_eq!(device.with_token(token).get("/v1/auth/whoami").await.0, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_token_ends_by_time_by_logout_and_by_revocation() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let viewer = server.admit(Role::Viewer, 3).await;
    assert_eq!(viewer.post("/v1/auth/logout", &json!({})).await.0, StatusCode::NO_CONTENT);
    assert_eq!(viewer.get("/v1/auth/whoami").await.0, StatusCode::UNAUTHORIZED);

    let again = server.admit(Role::Viewer, 3).await;
    assert_eq!(again.id, viewer.id, "the same key is the same device");
    let path = format!("/v1/auth/devices/{}", again.id.clone().unwrap());
    assert_eq!(owner.delete(&path).await.0, StatusCode::NO_CONTENT);
    assert_eq!(again.get("/v1/auth/whoami").await.0, StatusCode::UNAUTHORIZED);

    server.clock.advance(600_000);
    assert_eq!(owner.get("/v1/auth/whoami").await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn the_last_owner_can_neither_be_removed_nor_demoted() {
    let server = Server::start().await;
    let owner = server.owner().await;
    let path = format!("/v1/auth/devices/{}", owner.id.clone().unwrap());
    assert_eq!(owner.delete(&path).await.0, StatusCode::CONFLICT);
    assert_eq!(owner.patch(&path, &json!({ "role": "viewer" })).await.0, StatusCode::CONFLICT);
    server.admit(Role::Owner, 4).await;
    assert_eq!(owner.delete(&path).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_forgotten_owner_is_replaced_by_whoever_pairs_next() {
    let server = Server::start().await;
    let owner = server.owner().await;
    portcullis_ingress::forget_devices(&server.data_dir()).await.unwrap();
    assert_eq!(owner.get("/v1/auth/whoami").await.0, StatusCode::UNAUTHORIZED);
    let code = portcullis_ingress::issue_pairing_code(&server.data_dir()).await.unwrap();
    let (status, granted) = server.pair_with(&code, "new", &Key::p256(8)).await;
    assert_eq!((status, &granted["role"]), (StatusCode::OK, &json!("owner")));
}

#[tokio::test]
async fn a_public_key_that_is_known_gets_no_token_and_uses_up_no_code() {
    let server = Server::start().await;
    let key = Key::p256(1);
    let (_, granted) = server.pair("laptop", &key).await;
    let id = DeviceId::parse(granted["device_id"].as_str().unwrap()).unwrap();
    let code = server.ingress.pairing_code().await.unwrap();
    let (status, error) = server.pair_with(&code, "thief", &key).await;
    assert_eq!((status, &error["error"]["type"]), (StatusCode::CONFLICT, &json!("conflict")));
    assert!(error["error"]["message"].as_str().unwrap().contains("paired already"), "{error}");
    assert!(!error.to_string().contains("access_token"));
    assert_eq!(server.sign_in(&id, &key).await.0, StatusCode::OK, "its key is the way in");
    assert_eq!(server.pair_with(&code, "phone", &Key::p256(2)).await.0, StatusCode::ACCEPTED);
}
