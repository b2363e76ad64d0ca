//! The device key: made in WebCrypto, kept in IndexedDB as an object, good for signatures and for nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_protocol::id::{DeviceId, SessionId};
use portcullis_web::link::keys;
use portcullis_web::link::vault::{Identity, Kept, Vault};
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn a_key_survives_the_vault_and_still_signs() {
    let pair = keys::generate().await.unwrap();
    assert_eq!(pair.public.alg, "ES256");
    let point = URL_SAFE_NO_PAD.decode(&pair.public.key).unwrap();
    assert_eq!((point.len(), point[0]), (65, 4), "an uncompressed P-256 point");
    assert!(!pair.private.extractable());

    let vault = Vault::open().await;
    assert!(vault.is_lasting());
    let device_id = DeviceId::parse("dev_1").unwrap();
    vault
        .remember(&Identity { device_id: device_id.clone(), confirm_code: None, key: pair.private })
        .await
        .unwrap();

    let again = Vault::open().await.identity().await.expect("what was remembered");
    assert_eq!(again.device_id, device_id);
    assert!(!again.key.extractable(), "the key came out of the vault extractable");
    let signature = keys::sign(&again.key, "portcullis-auth-v1\ndev_1\nnonce").await.unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap().len(), 64, "r and s");

    vault.forget().await;
    assert!(Vault::open().await.identity().await.is_none());
}

#[wasm_bindgen_test]
async fn prompts_are_kept_per_session_in_their_order_until_released() {
    let vault = Vault::open().await;
    let kept = |session: &str, uuid: &str, at_ms: f64| Kept {
        session: session.into(),
        uuid: uuid.into(),
        text: format!("text of {uuid}"),
        at_ms,
    };
    for row in [kept("s_1", "u2", 2.0), kept("s_1", "u1", 1.0), kept("s_2", "u3", 3.0)] {
        vault.keep(&row).await;
    }
    let session = SessionId::parse("s_1").unwrap();
    let uuids = |rows: Vec<(String, String)>| rows.into_iter().map(|(uuid, _)| uuid).collect::<Vec<_>>();
    assert_eq!(uuids(vault.kept(&session).await), ["u1", "u2"]);
    vault.release("u1").await;
    assert_eq!(uuids(vault.kept(&session).await), ["u2"]);
    for uuid in ["u2", "u3"] {
        vault.release(uuid).await;
    }
}
