//! Devices, tokens and pairing codes.

use async_trait::async_trait;
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use sqlx::SqliteConnection;

use super::super::{DeviceChange, DeviceEdit, DeviceRow, DeviceStore, Redeemed, Result};
use super::SqliteStore;
use super::convert::{device, int, to_json};

/// A used or expired code is remembered this long, so that it can be called by its name.
const CODE_MEMORY_MS: u64 = 24 * 3600 * 1000;

#[async_trait]
impl DeviceStore for SqliteStore {
    async fn add_pairing_code(&self, hash: String, expires_at_ms: u64, now_ms: u64) -> Result<()> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("DELETE FROM pairing_codes WHERE expires_at_ms < ?")
                    .bind(int(now_ms.saturating_sub(CODE_MEMORY_MS)))
                    .execute(&mut *db)
                    .await?;
                sqlx::query("INSERT INTO pairing_codes (hash, expires_at_ms) VALUES (?, ?)")
                    .bind(hash)
                    .bind(int(expires_at_ms))
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    async fn redeem(&self, code_hash: String, candidate: DeviceRow, now_ms: u64) -> Result<Redeemed> {
        self.write(move |db| Box::pin(redeem(db, code_hash, candidate, now_ms))).await
    }

    async fn provision(&self, candidate: DeviceRow) -> Result<DeviceRow> {
        self.write(move |db| {
            Box::pin(async move {
                if let Some(known) = by_key(db, &candidate).await? {
                    return Ok(known);
                }
                insert(db, &candidate).await?;
                Ok(candidate)
            })
        })
        .await
    }

    async fn device(&self, id: &DeviceId) -> Result<Option<DeviceRow>> {
        let row = sqlx::query("SELECT * FROM devices WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(device).transpose()
    }

    async fn devices(&self) -> Result<Vec<DeviceRow>> {
        let rows =
            sqlx::query("SELECT * FROM devices ORDER BY created_at_ms, id").fetch_all(&self.readers).await?;
        rows.iter().map(device).collect()
    }

    async fn edit_device(&self, id: DeviceId, edit: DeviceEdit) -> Result<DeviceChange> {
        self.write(move |db| {
            Box::pin(async move {
                let demotes = edit.role.is_some_and(|role| role != Role::Owner);
                if demotes && is_last_owner(db, &id).await? {
                    return Ok(DeviceChange::LastOwner);
                }
                let changed = sqlx::query(
                    "UPDATE devices SET name = coalesce(?, name), role = coalesce(?, role), \
                     plain_approve = coalesce(?, plain_approve), \
                     confirm_code = CASE WHEN ? THEN NULL ELSE confirm_code END WHERE id = ?",
                )
                .bind(edit.name)
                .bind(edit.role.map(role_name))
                .bind(edit.plain_approve)
                .bind(edit.confirm)
                .bind(id.as_str())
                .execute(db)
                .await?;
                Ok(if changed.rows_affected() == 0 { DeviceChange::Missing } else { DeviceChange::Done })
            })
        })
        .await
    }

    async fn delete_device(&self, id: DeviceId) -> Result<DeviceChange> {
        self.write(move |db| {
            Box::pin(async move {
                if is_last_owner(db, &id).await? {
                    return Ok(DeviceChange::LastOwner);
                }
                let gone =
                    sqlx::query("DELETE FROM devices WHERE id = ?").bind(id.as_str()).execute(db).await?;
                Ok(if gone.rows_affected() == 0 { DeviceChange::Missing } else { DeviceChange::Done })
            })
        })
        .await
    }

    async fn forget_people(&self) -> Result<()> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("DELETE FROM devices WHERE role <> 'bridge' OR confirm_code IS NOT NULL")
                    .execute(db)
                    .await?;
                Ok(())
            })
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
        self.write(move |db| {
            Box::pin(async move {
                // Kept a while after its end: "expired" and "unknown" mean different things to a client.
                sqlx::query("DELETE FROM tokens WHERE expires_at_ms < ?")
                    .bind(int(now_ms.saturating_sub(CODE_MEMORY_MS)))
                    .execute(&mut *db)
                    .await?;
                sqlx::query("INSERT INTO tokens (hash, device_id, expires_at_ms) VALUES (?, ?, ?)")
                    .bind(hash)
                    .bind(device_id.as_str())
                    .bind(int(expires_at_ms))
                    .execute(&mut *db)
                    .await?;
                sqlx::query("UPDATE devices SET last_seen_at_ms = ? WHERE id = ?")
                    .bind(int(now_ms))
                    .bind(device_id.as_str())
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    async fn token(&self, hash: &str) -> Result<Option<(DeviceRow, u64)>> {
        let row = sqlx::query(
            "SELECT devices.*, tokens.expires_at_ms AS expires_at_ms FROM tokens \
             JOIN devices ON devices.id = tokens.device_id WHERE tokens.hash = ?",
        )
        .bind(hash)
        .fetch_optional(&self.readers)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((device(&row)?, super::convert::uint(&row, "expires_at_ms")?)))
    }

    async fn drop_tokens(&self, device_id: DeviceId) -> Result<()> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("DELETE FROM tokens WHERE device_id = ?")
                    .bind(device_id.as_str())
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    async fn touch_device(&self, id: DeviceId, now_ms: u64) -> Result<()> {
        self.write(move |db| {
            Box::pin(async move {
                sqlx::query("UPDATE devices SET last_seen_at_ms = ? WHERE id = ?")
                    .bind(int(now_ms))
                    .bind(id.as_str())
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

async fn redeem(
    db: &mut SqliteConnection,
    code_hash: String,
    mut candidate: DeviceRow,
    now_ms: u64,
) -> Result<Redeemed> {
    let code: Option<(i64, i64)> =
        sqlx::query_as("SELECT expires_at_ms, used FROM pairing_codes WHERE hash = ?")
            .bind(&code_hash)
            .fetch_optional(&mut *db)
            .await?;
    let Some((expires_at_ms, used)) = code else { return Ok(Redeemed::Unknown) };
    if used != 0 {
        return Ok(Redeemed::Used);
    }
    if expires_at_ms <= int(now_ms) {
        return Ok(Redeemed::Expired);
    }
    let known = by_key(db, &candidate).await?;
    // A machine owns nothing, not even where it comes first.
    let first = candidate.role != Role::Bridge && people(db).await? == 0;
    if known.is_none() && !first && candidate.key.is_none() {
        return Ok(Redeemed::KeyMissing);
    }
    // A public key proves nothing: whoever has it and is in already signs in with the other half.
    if let Some(known) = known.as_ref().filter(|known| known.confirm_code.is_none()) {
        return Ok(Redeemed::Known(known.id.clone()));
    }
    sqlx::query("UPDATE pairing_codes SET used = 1 WHERE hash = ?").bind(code_hash).execute(&mut *db).await?;
    if let Some(known) = known {
        // What it wishes to be is what it says now.
        sqlx::query("UPDATE devices SET role = ? WHERE id = ?")
            .bind(role_name(candidate.role))
            .bind(known.id.as_str())
            .execute(&mut *db)
            .await?;
        return Ok(Redeemed::Waiting(DeviceRow { role: candidate.role, ..known }));
    }
    if first {
        candidate.role = Role::Owner;
        candidate.confirm_code = None;
    }
    insert(db, &candidate).await?;
    Ok(if first { Redeemed::Granted(candidate) } else { Redeemed::Waiting(candidate) })
}

/// Devices of persons that are in: while there is none, the next one is the owner.
async fn people(db: &mut SqliteConnection) -> Result<i64> {
    let (count,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM devices WHERE role <> 'bridge' AND confirm_code IS NULL")
            .fetch_one(db)
            .await?;
    Ok(count)
}

async fn is_last_owner(db: &mut SqliteConnection, id: &DeviceId) -> Result<bool> {
    let owners: Vec<(String,)> =
        sqlx::query_as("SELECT id FROM devices WHERE role = 'owner' AND confirm_code IS NULL LIMIT 2")
            .fetch_all(db)
            .await?;
    Ok(matches!(owners.as_slice(), [(only,)] if only == id.as_str()))
}

async fn by_key(db: &mut SqliteConnection, candidate: &DeviceRow) -> Result<Option<DeviceRow>> {
    let Some(key) = &candidate.key else { return Ok(None) };
    let row =
        sqlx::query("SELECT * FROM devices WHERE public_key = ?").bind(&key.key).fetch_optional(db).await?;
    row.as_ref().map(device).transpose()
}

async fn insert(db: &mut SqliteConnection, row: &DeviceRow) -> Result<()> {
    sqlx::query(
        "INSERT INTO devices (id, name, role, alg, public_key, plain_approve, confirm_code, created_at_ms, \
         last_seen_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.id.as_str())
    .bind(&row.name)
    .bind(role_name(row.role))
    .bind(row.key.as_ref().map(|key| &key.alg))
    .bind(row.key.as_ref().map(|key| &key.key))
    .bind(row.plain_approve)
    .bind(&row.confirm_code)
    .bind(int(row.created_at_ms))
    .bind(int(row.last_seen_at_ms))
    .execute(db)
    .await?;
    Ok(())
}

/// The role as the wire spells it.
fn role_name(role: Role) -> String {
    to_json(&role).trim_matches('"').to_owned()
}
