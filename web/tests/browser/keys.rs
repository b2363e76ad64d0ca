//! The device key: made in WebCrypto, kept in IndexedDB as an object, good for signatures and for nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_protocol::id::DeviceId;
use portcullis_web::link::keys;
use portcullis_web::link::vault::{Identity, Vault};
use wasm_bindgen_test::wasm_bindgen_test;

#[wasm_bindgen_test]
async fn a_key_survives_the_vault_and_still_signs() {
    let pair = keys::generate().await.unwrap();
    assert_eq!(pair.public.alg, "ES256");
    let point = URL_SAFE_NO_PAD.decode(&pair.public.key).unwrap();
    assert_eq!((point.len(), point[0]), (65, 4), "an uncompressed P-256 point");
    assert!(!pair.private.extractable());

    let vault = Vault::open(|_| ()).await;
    assert!(vault.is_lasting());
    let device_id = DeviceId::parse("dev_1").unwrap();
    vault
        .remember(&Identity {
            device_id: device_id.clone(),
            confirm_code: None,
            logged_out: false,
            key: pair.private,
        })
        .await
        .unwrap();

    let again = Vault::open(|_| ()).await.identity().await.expect("what was remembered");
    assert_eq!(again.device_id, device_id);
    assert!(!again.key.extractable(), "the key came out of the vault extractable");
    let signature = keys::sign(&again.key, "portcullis-auth-v1\ndev_1\nnonce").await.unwrap();
    assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap().len(), 64, "r and s");

    vault.forget().await;
    assert!(Vault::open(|_| ()).await.identity().await.is_none());
}
