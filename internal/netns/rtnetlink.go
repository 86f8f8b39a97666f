package netns

import (
	"errors"

	"github.com/mdlayher/netlink"
)

// Numbers of include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h, if.h,
// veth.h and socket.h.
const (
	rtmNewLink  netlink.HeaderType = 16
	rtmDelLink  netlink.HeaderType = 17
	rtmGetLink  netlink.HeaderType = 18
	rtmNewAddr  netlink.HeaderType = 20
	rtmNewRoute netlink.HeaderType = 24
	rtmGetRoute netlink.HeaderType = 26

	iflaIfname    = 3
	iflaMTU       = 4
	iflaMaster    = 10
	iflaOperState = 16
	iflaLinkinfo  = 18
	iflaNetNSFD   = 28

	iflaInfoKind = 1
	iflaInfoData = 2
	vethInfoPeer = 1

	ifaAddress = 1
	ifaLocal   = 2
	ifaFNoDAD  = 2

	rtaDst     = 1
	rtaGateway = 5

	rtTableMain   = 254
	rtprotBoot    = 3
	rtScopeGlobal = 0
	rtnUnicast    = 1
	rtnLocal      = 2

	iffUp    = 1
	ifOperUp = 6

	afInet  = 2
	afInet6 = 10
)

var errReply = errors.New("rtnetlink did not answer as expected")

// message appends attributes to a fixed part. attrs may be nil.
func message(fixed []byte, attrs func(*netlink.AttributeEncoder)) ([]byte, error) {
	e := netlink.NewAttributeEncoder()
	if attrs != nil {
		attrs(e)
	}
	b, err := e.Encode()
	return append(fixed, b...), err
}
