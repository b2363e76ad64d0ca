//! What is said before this browser is known.

use super::words;

words! {
    starting: "Starting" | "正在启动";
    starting_why: "Looking for this browser's key." | "正在查找此浏览器的密钥。";
    pairing: "Pairing this browser" | "正在配对此浏览器";
    pairing_why: "Exchanging the code for a key that never leaves this browser." | "正在用代码换取一个永远不会离开此浏览器的密钥。";
    unpaired: "This browser is not paired yet." | "此浏览器尚未配对。";
    unpaired_why: "Open the link that portcullis printed when it started, or enter the pairing code from it." | "打开 portcullis 启动时显示的链接,或输入其中的配对码。";
    failed: "This browser could not be paired." | "此浏览器未能配对。";
    fresh_link: "A link works once and for ten minutes. For a fresh one, run this on the server:" | "链接只能用一次,十分钟内有效。要获取新链接,请在服务器上运行:";
    confirming: "Waiting for the owner." | "正在等待所有者确认。";
    confirming_why: "Another browser that is already paired shows a request with this code. Compare both, then confirm there." | "另一个已配对的浏览器会显示带有此代码的请求。请核对两边一致,然后在那里确认。";
    unreachable: "The server does not answer." | "服务器没有响应。";
    unreachable_why: "It is asked again and again. Is portcullis still running?" | "正在不断重试。portcullis 还在运行吗?";
    unsupported: "This browser cannot be paired." | "此浏览器无法配对。";
    blocked: "Another tab is in the way." | "另一个标签页造成了阻碍。";
    logged_out: "You are logged out." | "你已退出登录。";
    logged_out_keeps_key: "What was written here and not sent is gone from this browser. It stays paired, because it may be the only owner's: whoever uses it can sign in again." | "此浏览器中未发送的内容已删除。它可能是唯一的所有者设备,因此保持配对:任何使用它的人都可以重新登录。";
    logged_out_no_key: "What was written here and not sent is gone from this browser, and so is its key. To come back, pair it with a fresh link." | "此浏览器中未发送的内容及其密钥已删除。要重新使用,请用新链接配对。";
    logged_out_removed: "This browser's key is gone too. If it was the only owner's, run this on the machine that runs the server: it forgets every device but the machines and gives a fresh link. Otherwise a fresh link and another owner let you in." | "此浏览器的密钥也已删除。如果它属于唯一的所有者,请在运行服务器的机器上执行下面的命令:它会移除除机器以外的所有设备,并给出新链接。否则,用新链接配对并由另一位所有者确认即可。";
    sign_in: "Sign in again" | "重新登录";
    remove_key: "Remove this browser's key all the same" | "仍然删除此浏览器的密钥";
    remove_key_why: "On a computer that others use too, do not leave the key here. You get back in by running this on the machine that runs the server:" | "如果别人也使用这台电脑,请不要把密钥留在这里。之后在运行服务器的机器上执行以下命令即可重新进入:";
    try_now: "Try now" | "立即重试";
    code: "Pairing code" | "配对码";
    pair: "Pair" | "配对";
    disowned: "The server does not know this browser, or not any more. Pair it again with a fresh link." | "服务器不认识此浏览器,或已将其移除。请用新链接重新配对。";
    known_key: "The server knows this browser's key already." | "服务器已经知道此浏览器的密钥。";
    storage_denied: "This browser keeps nothing for this page: after a reload it has to be paired again, and what waits to be sent is gone." | "此浏览器不为本页保存任何内容:重新加载后需要重新配对,未发送的内容会丢失。";
    storage_full: "This browser's storage is full: what is not sent yet is kept only as long as this tab is open. Free some space, then send it again." | "此浏览器的存储已满:未发送的内容只在此标签页打开时保留。请释放空间后重新发送。";
    storage_blocked: "Another tab of this page runs an older version. Close or reload that tab; this one goes on by itself." | "本页的另一个标签页运行的是旧版本。请关闭或重新加载它;此页会自动继续。";
    storage_outdated: "Another tab runs a newer version of this page. Reload this one: until then it keeps nothing." | "另一个标签页运行的是新版本。请重新加载此页:在此之前它不保存任何内容。";
    storage_held_up: "Another tab of this page holds up this browser's storage. Close that tab." | "本页的另一个标签页占住了浏览器存储。请关闭那个标签页。";
    storage_lost: "This browser's storage was cleared while the page was open. What this tab still knew was written again." | "浏览器存储在页面打开时被清除。此标签页仍记得的内容已重新写入。";
}
