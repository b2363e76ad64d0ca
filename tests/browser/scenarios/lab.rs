use anyhow::Result;
use portcullis_tests::devtools::*;
use portcullis_tests::page::mark;
use portcullis_tests::neighbour::Neighbour;
use portcullis_tests::walk::walk_apart;
use std::time::Duration;
async fn nap(ms: u64) { tokio::time::sleep(Duration::from_millis(ms)).await }

#[tokio::test]
async fn lab() -> Result<()> {
    walk_apart("lab", async |walk| {
        walk.provokes("");
        walk.browser().before_each_page(MOVABLE_CLOCKS).await?;
        let session = walk.open_session().await?;
        eprintln!("session {session} prompts {:?}", walk.system().owner().prompts(&session).await?);
        for e in walk.system().owner().log(&session).await? { eprintln!("LOG {e}"); }
        let b = walk.browser();
        eprintln!("clocks {:?}", b.run("const a=performance.now(), d=Date.now(); portcullisJump(3600000); return [performance.now()-a, Date.now()-d]").await);
        walk.picture("open").await?;
        let b = walk.browser();
        // offline
        eprintln!("offline {:?}", b.set_offline(true).await);
        eprintln!("onLine {:?}", b.run("return navigator.onLine").await);
        nap(1500).await;
        eprintln!("link {:?}", walk.page().texts(mark::LINK_STATE).await);
        eprintln!("offline {:?}", b.set_offline(false).await);
        walk.page().see(mark::LINK_ONLINE).await?;
        // bfcache
        let other = Neighbour::serve("<h1>Elsewhere</h1>").await?;
        let me = b.client().current_url().await?;
        b.run("window.seen=[]; addEventListener('pageshow', e=>seen.push(['show',e.persisted])); addEventListener('pagehide', e=>seen.push(['hide',e.persisted])); addEventListener('freeze',()=>seen.push('freeze')); addEventListener('resume',()=>seen.push('resume')); document.addEventListener('visibilitychange',()=>seen.push(document.visibilityState))").await?;
        b.client().goto(&other.origin()).await?;
        nap(500).await;
        b.client().back().await?;
        nap(1000).await;
        eprintln!("bfcache {:?}", b.run("return [window.seen ?? null, performance.getEntriesByType('navigation')[0].notRestoredReasons ?? null]").await);
        walk.page().see(mark::LINK_ONLINE).await?;
        // tabs
        let first = b.client().window().await?;
        let second = b.open_tab(me.as_str()).await?;
        walk.page().see(mark::LINK_ONLINE).await?;
        eprintln!("second hidden {}", b.is_hidden().await?);
        b.look_at(&first).await?;
        eprintln!("first hidden {}", b.is_hidden().await?);
        b.client().switch_to_window(second.clone()).await?;
        eprintln!("second hidden {}", b.is_hidden().await?);
        b.run("window.seen=[]; document.addEventListener('freeze',()=>seen.push('freeze')); document.addEventListener('resume',()=>seen.push('resume'));").await?;
        eprintln!("freeze {:?}", b.freeze().await);
        nap(1000).await;
        eprintln!("frozen run {:?}", tokio::time::timeout(Duration::from_secs(2), b.run("return 1")).await);
        eprintln!("thaw {:?}", b.thaw().await);
        nap(500).await;
        eprintln!("frozen seen {:?}", b.run("return seen").await);
        eprintln!("crash {:?}", tokio::time::timeout(Duration::from_secs(5), b.crash()).await);
        eprintln!("look {:?}", b.look_at(&first).await);
        eprintln!("first alive {:?}", b.run("return 1+1").await);
        walk.page().see(mark::LINK_ONLINE).await?;
        let origin = walk.system().proxy().origin();
        eprintln!("quota {:?}", b.limit_storage(&origin, 10).await);
        eprintln!("estimate {:?}", b.client().execute_async("const done = arguments[0]; navigator.storage.estimate().then(e=>done([e.quota,e.usage]))", vec![]).await);
        eprintln!("put {:?}", b.client().execute_async("const done = arguments[0]; const o = indexedDB.open('x',1); o.onupgradeneeded=()=>o.result.createObjectStore('s'); o.onerror=()=>done('open '+o.error); o.onsuccess=()=>{ try { const t=o.result.transaction('s','readwrite'); t.objectStore('s').put('x'.repeat(100000),'k'); t.oncomplete=()=>done('ok'); t.onabort=()=>done('abort '+t.error); } catch(e) { done('threw '+e) } }", vec![]).await);
        Ok(())
    })
    .await
}
