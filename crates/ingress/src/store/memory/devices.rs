//! Devices, tokens and pairing codes.

use async_trait::async_trait;
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;

use super::super::{DeviceChange, DeviceEdit, DeviceRow, DeviceStore, Redeemed, Result};
use super::{Code, MemoryStore, Tables};

#[async_trait]
impl DeviceStore for MemoryStore {
    async fn add_pairing_code(&self, hash: String, expires_at_ms: u64, _now_ms: u64) -> Result<()> {
        self.write(|tables| {
            tables.codes.insert(hash, Code { expires_at_ms, used: false });
        })
        .await
    }

    async fn redeem(&self, code_hash: String, candidate: DeviceRow, now_ms: u64) -> Result<Redeemed> {
        self.write(|tables| tables.redeem(&code_hash, candidate, now_ms)).await
    }

    async fn provision(&self, candidate: DeviceRow) -> Result<DeviceRow> {
        self.write(|tables| {
            tables.by_key(&candidate).unwrap_or_else(|| {
                tables.devices.insert(candidate.id.clone(), candidate.clone());
                candidate
            })
        })
        .await
    }

    async fn device(&self, id: &DeviceId) -> Result<Option<DeviceRow>> {
        self.read(|tables| tables.devices.get(id).cloned())
    }

    async fn devices(&self) -> Result<Vec<DeviceRow>> {
        let mut devices: Vec<DeviceRow> = self.read(|tables| tables.devices.values().cloned().collect())?;
        devices.sort_by_key(|device| device.created_at_ms);
        Ok(devices)
    }

    async fn edit_device(&self, id: DeviceId, edit: DeviceEdit) -> Result<DeviceChange> {
        self.write(|tables| tables.edit(&id, edit)).await
    }

    async fn delete_device(&self, id: DeviceId) -> Result<DeviceChange> {
        self.write(|tables| {
            if tables.is_last_owner(&id) {
                return DeviceChange::LastOwner;
            }
            let gone = tables.devices.remove(&id);
            tables.tokens.retain(|_, (device, _)| *device != id);
            if gone.is_some() { DeviceChange::Done } else { DeviceChange::Missing }
        })
        .await
    }

    async fn forget_people(&self) -> Result<()> {
        self.write(|tables| {
            tables.devices.retain(|_, device| device.role == Role::Bridge && device.confirm_code.is_none());
            let Tables { devices, tokens, .. } = tables;
            tokens.retain(|_, (device, _)| devices.contains_key(device));
        })
        .await
    }

    async fn add_token(
        &self,
        hash: String,
        device_id: DeviceId,
        expires_at_ms: u64,
        now_ms: u64,
    ) -> Result<()> {
        self.write(|tables| {
            if let Some(device) = tables.devices.get_mut(&device_id) {
                device.last_seen_at_ms = now_ms;
                tables.tokens.insert(hash, (device_id, expires_at_ms));
            }
        })
        .await
    }

    async fn token(&self, hash: &str) -> Result<Option<(DeviceRow, u64)>> {
        self.read(|tables| {
            let (device, expires_at_ms) = tables.tokens.get(hash)?;
            Some((tables.devices.get(device)?.clone(), *expires_at_ms))
        })
    }

    async fn drop_tokens(&self, device_id: DeviceId) -> Result<()> {
        self.write(|tables| tables.tokens.retain(|_, (device, _)| *device != device_id)).await
    }

    async fn touch_device(&self, id: DeviceId, now_ms: u64) -> Result<()> {
        self.write(|tables| {
            if let Some(device) = tables.devices.get_mut(&id) {
                device.last_seen_at_ms = now_ms;
            }
        })
        .await
    }
}

impl Tables {
    fn redeem(&mut self, code_hash: &str, mut candidate: DeviceRow, now_ms: u64) -> Redeemed {
        let known = self.by_key(&candidate);
        let people = self.devices.values().filter(|device| device.role != Role::Bridge);
        let is_machine = candidate.role == Role::Bridge;
        let first = !is_machine && people.filter(|device| device.confirm_code.is_none()).count() == 0;
        let Some(code) = self.codes.get_mut(code_hash) else { return Redeemed::Unknown };
        if code.used {
            return Redeemed::Used;
        }
        if code.expires_at_ms <= now_ms {
            return Redeemed::Expired;
        }
        if known.is_none() && !first && candidate.key.is_none() {
            return Redeemed::KeyMissing;
        }
        if let Some(known) = known.as_ref().filter(|known| known.confirm_code.is_none()) {
            return Redeemed::Known(known.id.clone());
        }
        code.used = true;
        if let Some(known) = known {
            let known = DeviceRow { role: candidate.role, ..known };
            self.devices.insert(known.id.clone(), known.clone());
            return Redeemed::Waiting(known);
        }
        if first {
            candidate.role = Role::Owner;
            candidate.confirm_code = None;
        }
        self.devices.insert(candidate.id.clone(), candidate.clone());
        if first { Redeemed::Granted(candidate) } else { Redeemed::Waiting(candidate) }
    }

    fn edit(&mut self, id: &DeviceId, edit: DeviceEdit) -> DeviceChange {
        let demotes = edit.role.is_some_and(|role| role != Role::Owner);
        if demotes && self.is_last_owner(id) {
            return DeviceChange::LastOwner;
        }
        let Some(device) = self.devices.get_mut(id) else { return DeviceChange::Missing };
        let DeviceEdit { name, role, plain_approve, confirm } = edit;
        device.name = name.unwrap_or_else(|| device.name.clone());
        device.role = role.unwrap_or(device.role);
        device.plain_approve = plain_approve.unwrap_or(device.plain_approve);
        if confirm {
            device.confirm_code = None;
        }
        DeviceChange::Done
    }

    fn is_last_owner(&self, id: &DeviceId) -> bool {
        let is_owner = |device: &&DeviceRow| device.role == Role::Owner && device.confirm_code.is_none();
        let mut owners = self.devices.values().filter(is_owner);
        matches!((owners.next(), owners.next()), (Some(only), None) if only.id == *id)
    }

    fn by_key(&self, candidate: &DeviceRow) -> Option<DeviceRow> {
        let key = candidate.key.as_ref()?;
        let has_key = |device: &&DeviceRow| device.key.as_ref().is_some_and(|known| known.key == key.key);
        self.devices.values().find(has_key).cloned()
    }
}
