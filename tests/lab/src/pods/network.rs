//! The network of the node: a bridge with the pods on it, and nothing behind it.
//!
//! Pods reach the addresses of the bridge, and so the machine; nothing is translated, so they reach nobody else. One of
//! its addresses is that of the Service `kubernetes`: what arrives there goes on to the API server, which listens on the
//! loopback interface only. That stands for kube-proxy.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::Error;
use crate::controlplane::certificates::NODE_ADDRESS;
use crate::tool;

const BRIDGE: &str = "entra-lab0";
const SUBNET: &str = "10.87.0.0/24";
/// ClusterIP of the Service `kubernetes`.
const SERVICE: &str = "10.0.0.1";

/// Fails if an address is in use.
pub(super) fn check() -> Result<(), Error> {
    let links = tool::call("ip", &["-brief", "address"])?;
    for ours in [BRIDGE, NODE_ADDRESS, SERVICE] {
        if links.split([' ', '/', '\n']).any(|word| word == ours) {
            return Err(Error::Machine(format!("{ours} is there already: see ip address")));
        }
    }
    Ok(())
}

/// Makes the bridge.
pub(super) fn up() -> Result<(), Error> {
    tool::call("ip", &["link", "add", BRIDGE, "type", "bridge"])?;
    for address in [format!("{NODE_ADDRESS}/24"), format!("{SERVICE}/32")] {
        tool::call("ip", &["address", "add", &address, "dev", BRIDGE])?;
    }
    tool::call("ip", &["link", "set", BRIDGE, "up"])?;
    Ok(())
}

/// Takes it away.
pub(super) fn sweep() -> String {
    format!("ip link delete {BRIDGE} 2>/dev/null")
}

/// Writes what containerd must know of it.
pub(super) fn configure(directory: &Path) -> Result<(), Error> {
    let addresses = json!({
        "type": "host-local",
        "dataDir": directory.join("addresses"),
        "ranges": [[{"subnet": SUBNET, "rangeStart": "10.87.0.10", "gateway": NODE_ADDRESS}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    });
    let bridge = json!({"type": "bridge", "bridge": BRIDGE, "ipMasq": false, "ipam": addresses});
    let list = json!({"cniVersion": "0.4.0", "name": "entra-lab", "plugins": [bridge]});
    let place = directory.join("cni");
    fs::create_dir_all(&place).map_err(Error::io("create a directory for CNI"))?;
    fs::write(place.join("10-entra-lab.conflist"), list.to_string()).map_err(Error::io("configure CNI"))
}

/// Passes connections to the Service on to the API server, until it is aborted.
pub(super) async fn forward(port: u16) -> Result<JoinHandle<()>, Error> {
    let listener = TcpListener::bind((SERVICE, 443))
        .await
        .map_err(Error::io("listen on the Service's address"))?;
    Ok(tokio::spawn(async move {
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        while let Ok((pod, _)) = listener.accept().await {
            tokio::spawn(pass(pod, server));
        }
    }))
}

async fn pass(mut pod: TcpStream, server: SocketAddr) {
    if let Ok(mut server) = TcpStream::connect(server).await {
        // Either end may hang up at any time.
        drop(tokio::io::copy_bidirectional(&mut pod, &mut server).await);
    }
}
