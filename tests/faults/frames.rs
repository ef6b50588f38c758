//! Where the proxy sees a command or a reply end.

use token_gateway_testkit::proxy::frame::{Foreign, Kind, kind, length};

#[test]
fn a_frame_ends_where_its_last_element_does() {
    let frames: [&[u8]; 9] = [
        b"+OK\r\n",
        b":1\r\n",
        b"$-1\r\n",
        b"$0\r\n\r\n",
        b"$5\r\na\r\nbc\r\n",
        b"*0\r\n",
        b"*2\r\n*2\r\n:1\r\n$1\r\nx\r\n*-1\r\n",
        b"%1\r\n+a\r\n>1\r\n_\r\n",
        b"=7\r\ntxt:abc\r\n",
    ];
    for frame in frames {
        let followed = [frame, b"+NEXT\r\n"].concat();
        assert_eq!(length(&followed), Ok(Some(frame.len())), "{}", frame.escape_ascii());
        for cut in 0..frame.len() {
            assert_eq!(length(&frame[..cut]), Ok(None), "{}", frame[..cut].escape_ascii());
        }
    }
}

#[test]
fn what_is_no_resp_is_foreign() {
    let foreign: [&[u8]; 5] = [b"PING\r\n", b"\x16\x03\x01", b"$x\r\n", b"*-2\r\n", b"+a\n"];
    for bytes in foreign {
        assert_eq!(length(bytes), Err(Foreign), "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_command_is_known_by_its_name_in_any_case() {
    assert_eq!(kind(b"*1\r\n$7\r\nevalSHA\r\n"), Kind::Script);
    assert_eq!(kind(b"*1\r\n$5\r\nXREAD\r\n"), Kind::Feed);
    assert_eq!(kind(b"*1\r\n$5\r\nPSYNC\r\n"), Kind::Replication);
    assert_eq!(kind(b"*1\r\n$9\r\nSUBSCRIBE\r\n"), Kind::Stream);
    assert_eq!(kind(b"*2\r\n$3\r\nGET\r\n$4\r\nEVAL\r\n"), Kind::Other);
}
