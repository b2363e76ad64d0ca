//! Pairing, tokens and devices.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_protocol::id::DeviceId;
use portcullis_protocol::role::Role;
use portcullis_protocol::wire::rest::{
    Challenge, ChallengeRequest, Device, DevicePatch, Granted, Page, PairRequest, TokenRequest,
};

use super::Shared;
use super::error::{ApiError, ApiResult};
use super::extract::{Anybody, Ids, JsonBody, Peer};
use crate::auth::Paired;
use crate::store::{DeviceChange, DeviceEdit};

/// Characters of a device's name.
const NAME_CHARS_MAX: usize = 100;

/// `POST /v1/auth/pair`.
pub(super) async fn pair(
    State(app): State<Shared>,
    Peer(from): Peer,
    JsonBody(request): JsonBody<PairRequest>,
) -> ApiResult<Response> {
    let paired = app.gate.pair(request, from).await.inspect_err(|_| app.metrics.refused())?;
    Ok(match paired {
        Paired::In(granted) => Json(granted).into_response(),
        Paired::Waiting(pending) => (StatusCode::ACCEPTED, Json(pending)).into_response(),
    })
}

/// `POST /v1/auth/challenge`.
pub(super) async fn challenge(
    State(app): State<Shared>,
    JsonBody(request): JsonBody<ChallengeRequest>,
) -> ApiResult<Json<Challenge>> {
    let nonce = app.gate.challenge(&request.device_id).await?;
    Ok(Json(Challenge { nonce }))
}

/// `POST /v1/auth/token`.
pub(super) async fn token(
    State(app): State<Shared>,
    JsonBody(request): JsonBody<TokenRequest>,
) -> ApiResult<Json<Granted>> {
    Ok(Json(app.gate.token(request).await.inspect_err(|_| app.metrics.refused())?))
}

/// `GET /v1/auth/whoami`.
pub(super) async fn whoami(Anybody(caller): Anybody) -> Json<Device> {
    Json(caller.device.to_wire())
}

/// `POST /v1/auth/logout`: every token of the device ends, and its sockets with them. The device stays paired.
pub(super) async fn logout(State(app): State<Shared>, Anybody(caller): Anybody) -> ApiResult<StatusCode> {
    app.store.drop_tokens(caller.device.id.clone()).await?;
    app.hub.close_device(&caller.device.id);
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/auth/devices`.
pub(super) async fn devices(State(app): State<Shared>, caller: Anybody) -> ApiResult<Json<Page<Device>>> {
    caller.at_least(Role::Owner)?;
    let data: Vec<Device> = app.store.devices().await?.iter().map(crate::store::DeviceRow::to_wire).collect();
    let (first_id, last_id) =
        (data.first().map(|row| row.id.to_string()), data.last().map(|row| row.id.to_string()));
    Ok(Json(Page { data, has_more: false, first_id, last_id }))
}

/// `PATCH /v1/auth/devices/{id}`.
pub(super) async fn edit(
    State(app): State<Shared>,
    caller: Anybody,
    Ids(id): Ids<DeviceId>,
    JsonBody(body): JsonBody<DevicePatch>,
) -> ApiResult<Json<Device>> {
    let caller = caller.at_least(Role::Owner)?;
    let name = body.name.map(|name| name.trim().to_owned());
    let is_name = |name: &String| {
        (1..=NAME_CHARS_MAX).contains(&name.chars().count()) && !name.chars().any(char::is_control)
    };
    if name.as_ref().is_some_and(|name| !is_name(name)) {
        return Err(ApiError::invalid(format!(
            "a device's name has 1 to {NAME_CHARS_MAX} printable characters"
        )));
    }
    if body.confirm == Some(false) {
        return Err(ApiError::invalid("to turn a waiting device away, delete it"));
    }
    let edit = DeviceEdit {
        name,
        role: body.role,
        plain_approve: body.plain_approve,
        confirm: body.confirm.unwrap_or(false),
    };
    changed(app.store.edit_device(id.clone(), edit).await?)?;
    tracing::info!(device = %id, by = %caller.device.id, role = ?body.role, confirm = ?body.confirm, "a device was changed");
    if body.role.is_some() {
        // Its sockets were opened under the role it had.
        app.hub.close_device_softly(&id);
    }
    let row = app.store.device(&id).await?.ok_or_else(|| ApiError::not_found("there is no such device"))?;
    Ok(Json(row.to_wire()))
}

/// `DELETE /v1/auth/devices/{id}`: its tokens end, and its sockets at once.
pub(super) async fn revoke(
    State(app): State<Shared>,
    caller: Anybody,
    Ids(id): Ids<DeviceId>,
) -> ApiResult<StatusCode> {
    let caller = caller.at_least(Role::Owner)?;
    changed(app.store.delete_device(id.clone()).await?)?;
    tracing::info!(device = %id, by = %caller.device.id, "a device was revoked");
    app.hub.close_device(&id);
    Ok(StatusCode::NO_CONTENT)
}

fn changed(change: DeviceChange) -> ApiResult<()> {
    match change {
        DeviceChange::Done => Ok(()),
        DeviceChange::Missing => Err(ApiError::not_found("there is no such device")),
        DeviceChange::LastOwner => {
            Err(ApiError::conflict("this is the last owner: make another device an owner first"))
        }
    }
}
