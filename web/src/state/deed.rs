//! What a person does to the server's lists, as one call each: sessions renamed, archived, taken out of
//! the archive and stopped, devices named, raised, lowered and sent away.

use portcullis_protocol::id::{DeviceId, SessionId};
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{DevicePatch, SessionPatch};

/// One deed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    Rename {
        session: SessionId,
        title: String,
    },
    Archive(SessionId),
    /// Takes it out of the archive.
    Unarchive(SessionId),
    /// Ends the agent's process; the session stays.
    Stop(SessionId),
    NameDevice {
        device: DeviceId,
        name: String,
    },
    SetRole {
        device: DeviceId,
        role: Role,
    },
    /// Lets a device in that waits, as what it asked to be or as something else.
    Admit {
        device: DeviceId,
        role: Option<Role>,
    },
    /// Turns a waiting device away, or ends one.
    Revoke(DeviceId),
}

/// How it is asked of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub method: &'static str,
    pub path: String,
    /// JSON.
    pub body: Option<String>,
}

impl Deed {
    /// The call that does it.
    #[must_use]
    pub fn call(&self) -> Call {
        let session = |id: &SessionId, rest: &str| format!("/v1/sessions/{id}{rest}");
        let device = |id: &DeviceId| format!("/v1/auth/devices/{id}");
        let patch = |path: String, body: String| Call { method: "PATCH", path, body: Some(body) };
        match self {
            Self::Rename { session: id, title } => {
                patch(session(id, ""), json(&SessionPatch { title: Some(title.clone()) }))
            }
            Self::Archive(id) => Call { method: "POST", path: session(id, "/archive"), body: None },
            Self::Unarchive(id) => Call { method: "POST", path: session(id, "/unarchive"), body: None },
            Self::Stop(id) => Call { method: "POST", path: session(id, "/stop"), body: None },
            Self::NameDevice { device: id, name } => {
                let change = DevicePatch { name: Some(name.clone()), ..DevicePatch::default() };
                patch(device(id), json(&change))
            }
            Self::SetRole { device: id, role } => {
                patch(device(id), json(&DevicePatch { role: Some(*role), ..DevicePatch::default() }))
            }
            Self::Admit { device: id, role } => {
                let change = DevicePatch { role: *role, confirm: Some(true), ..DevicePatch::default() };
                patch(device(id), json(&change))
            }
            Self::Revoke(id) => Call { method: "DELETE", path: device(id), body: None },
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(deed: &Deed, method: &str, path: &str, body: Option<&str>) {
        let call = deed.call();
        assert_eq!((call.method, call.path.as_str(), call.body.as_deref()), (method, path, body));
    }

    #[test]
    fn each_deed_is_one_call() {
        let session = SessionId::parse("s_1").unwrap();
        let device = DeviceId::parse("d_1").unwrap();
        let rename = Deed::Rename { session: session.clone(), title: "a \"b\"".into() };
        check(&rename, "PATCH", "/v1/sessions/s_1", Some(r#"{"title":"a \"b\""}"#));
        check(&Deed::Archive(session.clone()), "POST", "/v1/sessions/s_1/archive", None);
        check(&Deed::Unarchive(session.clone()), "POST", "/v1/sessions/s_1/unarchive", None);
        check(&Deed::Stop(session), "POST", "/v1/sessions/s_1/stop", None);
        let raised = Deed::SetRole { device: device.clone(), role: Role::Approver };
        check(&raised, "PATCH", "/v1/auth/devices/d_1", Some(r#"{"role":"approver"}"#));
        let admitted = |role| Deed::Admit { device: device.clone(), role };
        let as_viewer = Some(r#"{"role":"viewer","confirm":true}"#);
        check(&admitted(Some(Role::Viewer)), "PATCH", "/v1/auth/devices/d_1", as_viewer);
        check(&admitted(None), "PATCH", "/v1/auth/devices/d_1", Some(r#"{"confirm":true}"#));
        check(&Deed::Revoke(device), "DELETE", "/v1/auth/devices/d_1", None);
    }
}
