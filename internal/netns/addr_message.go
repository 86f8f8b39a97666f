package netns

import (
	"encoding/binary"
	"net/netip"

	"github.com/mdlayher/netlink"
)

// addrMessage is the body of RTM_NEWADDR, which starts with struct ifaddrmsg:
//
//	__u8  ifa_family, ifa_prefixlen, ifa_flags, ifa_scope;
//	__u32 ifa_index;
func addrMessage(index int, prefix netip.Prefix) ([]byte, error) {
	fixed := []byte{family(prefix.Addr()), byte(prefix.Bits()), 0, rtScopeGlobal}
	if prefix.Addr().Is6() {
		fixed[2] = ifaFNoDAD
	}
	fixed = binary.NativeEndian.AppendUint32(fixed, uint32(index))
	return message(fixed, func(e *netlink.AttributeEncoder) {
		e.Bytes(ifaLocal, prefix.Addr().AsSlice())
		e.Bytes(ifaAddress, prefix.Addr().AsSlice())
	})
}

// routeMessage is the body of RTM_NEWROUTE.
func routeMessage(subnet netip.Prefix, gateway netip.Addr) ([]byte, error) {
	fixed := rtMsg{
		family: family(gateway), dstLen: byte(subnet.Bits()),
		table: rtTableMain, protocol: rtprotBoot, scope: rtScopeGlobal, typ: rtnUnicast,
	}
	return message(fixed.append(nil), func(e *netlink.AttributeEncoder) {
		e.Bytes(rtaDst, subnet.Masked().Addr().AsSlice())
		e.Bytes(rtaGateway, gateway.AsSlice())
	})
}

// getRouteMessage is the body of RTM_GETROUTE.
func getRouteMessage(addr netip.Addr) ([]byte, error) {
	fixed := rtMsg{family: family(addr), dstLen: byte(addr.BitLen())}
	return message(fixed.append(nil), func(e *netlink.AttributeEncoder) {
		e.Bytes(rtaDst, addr.AsSlice())
	})
}

// parseRouteType finds rtm_type in the answer to RTM_GETROUTE.
func parseRouteType(replies []netlink.Message) (byte, error) {
	if len(replies) != 1 || len(replies[0].Data) < sizeofRtMsg {
		return 0, errReply
	}
	return replies[0].Data[offsetofRtMsgType], nil
}

// rtMsg is struct rtmsg:
//
//	unsigned char rtm_family, rtm_dst_len, rtm_src_len, rtm_tos;
//	unsigned char rtm_table, rtm_protocol, rtm_scope, rtm_type;
//	unsigned      rtm_flags;
type rtMsg struct {
	family, dstLen              byte
	table, protocol, scope, typ byte
}

const (
	sizeofRtMsg       = 12
	offsetofRtMsgType = 7
)

func (m rtMsg) append(b []byte) []byte {
	return append(b,
		m.family, m.dstLen, 0, 0,
		m.table, m.protocol, m.scope, m.typ,
		0, 0, 0, 0)
}

func family(addr netip.Addr) byte {
	if addr.Is4() {
		return afInet
	}
	return afInet6
}
