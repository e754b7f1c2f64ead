//! Binding a port: `[::]` is both families, whatever the system's default for IPv6 sockets, and IPv4 alone where the
//! kernel has no IPv6.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// Connections that the kernel keeps until they are taken.
const BACKLOG: i32 = 1024;

/// Listens on `address`.
pub(super) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    with_fall_back(address, bind)
}

fn with_fall_back<T>(address: SocketAddr, bind: impl Fn(SocketAddr) -> io::Result<T>) -> io::Result<T> {
    match bind(address) {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && is_lack_of_ipv6(&error) => {
            bind(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
        }
        bound => bound,
    }
}

/// A kernel without IPv6 knows no such sockets (socket(2)), or no such address (bind(2)).
fn is_lack_of_ipv6(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL)
    )
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // A port of a process that has just ended is free.
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use tokio::net::TcpStream;

    use super::*;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

    #[tokio::test]
    async fn any_address_is_both_families() {
        let listener = listen(ANY).unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect((Ipv6Addr::LOCALHOST, port)).await.unwrap();
        }
    }

    #[test]
    fn without_ipv6_it_is_ipv4_alone() {
        for lacking in [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL] {
            let bound = with_fall_back(SocketAddr::new(ANY.ip(), 8081), |address| {
                if address.is_ipv6() {
                    Err(lacking.into())
                } else {
                    Ok(address.to_string())
                }
            });
            assert_eq!(bound.unwrap(), "0.0.0.0:8081");
        }
    }

    #[test]
    fn what_was_asked_for_by_name_is_not_replaced() {
        let one = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 8081);
        assert!(with_fall_back(one, |_| Err::<(), _>(Errno::ADDRNOTAVAIL.into())).is_err());
        assert!(with_fall_back(ANY, |_| Err::<(), _>(Errno::ADDRINUSE.into())).is_err());
    }
}
