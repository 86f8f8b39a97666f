package netns

import (
	"encoding/binary"
	"math/rand/v2"

	"github.com/mdlayher/netlink"
)

// ifInfo is struct ifinfomsg:
//
//	unsigned char  ifi_family, __ifi_pad;
//	unsigned short ifi_type;
//	int            ifi_index;
//	unsigned       ifi_flags, ifi_change;
type ifInfo struct {
	index         int
	flags, change uint32
}

const sizeofIfInfo = 16

func (i ifInfo) append(b []byte) []byte {
	b = append(b, 0, 0, 0, 0)
	b = binary.NativeEndian.AppendUint32(b, uint32(i.index))
	b = binary.NativeEndian.AppendUint32(b, i.flags)
	return binary.NativeEndian.AppendUint32(b, i.change)
}

// linkMessage is the body of RTM_NEWLINK and RTM_DELLINK. attrs may be nil.
func linkMessage(info ifInfo, attrs func(*netlink.AttributeEncoder)) ([]byte, error) {
	return message(info.append(nil), attrs)
}

// parseOperState finds IFLA_OPERSTATE in the answer to RTM_GETLINK.
func parseOperState(replies []netlink.Message) (state uint8, err error) {
	if len(replies) != 1 || len(replies[0].Data) < sizeofIfInfo {
		return 0, errReply
	}
	d, err := netlink.NewAttributeDecoder(replies[0].Data[sizeofIfInfo:])
	if err != nil {
		return 0, err
	}
	for d.Next() {
		if d.Type() == iflaOperState {
			state = d.Uint8()
		}
	}
	return state, d.Err()
}

// newLinkMessage makes a link of a kind; data fills IFLA_INFO_DATA and may be
// nil.
func newLinkMessage(name, kind string, data func(*netlink.AttributeEncoder) error) ([]byte, error) {
	return linkMessage(ifInfo{index: newIndex()}, func(e *netlink.AttributeEncoder) {
		e.String(iflaIfname, name)
		e.Nested(iflaLinkinfo, func(e *netlink.AttributeEncoder) error {
			e.String(iflaInfoKind, kind)
			if data != nil {
				e.Nested(iflaInfoData, data)
			}
			return nil
		})
	})
}

// newIndex chooses an index for a link, out of the way of those that the
// kernel counts up. The ends of a veth pair shall not have the same in their
// two namespaces: the kernel would then take as much as a second to notice the
// carrier (net/core/link_watch.c, linkwatch_urgent_event).
func newIndex() int {
	return 1<<16 + rand.IntN(1<<30)
}

func bridgeMessage(name string) ([]byte, error) {
	return newLinkMessage(name, "bridge", nil)
}

// vethMessage makes a veth pair whose second end goes to the namespace that fd
// refers to. That end is described by a link message of its own.
func vethMessage(name, peerName string, fd uintptr) ([]byte, error) {
	return newLinkMessage(name, "veth", func(e *netlink.AttributeEncoder) error {
		e.Do(vethInfoPeer, func() ([]byte, error) {
			return linkMessage(ifInfo{index: newIndex()}, func(e *netlink.AttributeEncoder) {
				e.String(iflaIfname, peerName)
				e.Uint32(iflaNetNSFD, uint32(fd))
			})
		})
		return nil
	})
}
