package main

import (
	"fmt"
	"io"
	"runtime"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ipqueue/ipqueue/queue"
)

// A capture is a file in pcapng format. Its interfaces are the interfaces of
// the packets, and the queue itself for packets without one.
type capture struct {
	w          *pcapgo.NgWriter
	interfaces map[link]int
	queue      uint32
}

// A link is an interface of the file.
type link struct {
	name string
	typ  layers.LinkType
}

// newCapture begins a file.
func newCapture(w io.Writer, number uint16) (*capture, error) {
	own := link{fmt.Sprintf("queue %d", number), layers.LinkTypeRaw}
	writer, err := pcapgo.NewNgWriterInterface(w, own.description(), pcapgo.NgWriterOptions{
		SectionInfo: pcapgo.NgSectionInfo{Hardware: runtime.GOARCH, OS: runtime.GOOS, Application: "ipqueue dump"},
	})
	if err != nil {
		return nil, err
	}
	return &capture{writer, map[link]int{{"", layers.LinkTypeRaw}: 0}, uint32(number)}, nil
}

func (l link) description() pcapgo.NgInterface {
	return pcapgo.NgInterface{Name: l.name, OS: runtime.GOOS, LinkType: l.typ, TimestampResolution: 9}
}

// write writes a packet.
func (c *capture) write(r *record) error {
	index, err := c.index(r.link())
	if err != nil {
		return err
	}
	info := gopacket.CaptureInfo{
		Timestamp: r.when, InterfaceIndex: index,
		CaptureLength: len(r.data), Length: max(int(r.length), len(r.data)),
	}
	return c.w.WritePacketWithOptions(info, r.data, c.options(r))
}

// index returns the number of an interface in the file. It writes the
// description of the interface before its first packet.
func (c *capture) index(l link) (int, error) {
	index, known := c.interfaces[l]
	if !known {
		var err error
		if index, err = c.w.AddInterface(l.description()); err != nil {
			return 0, err
		}
		c.interfaces[l] = index
	}
	return index, nil
}

// pcapng supports verdicts of eBPF programs for traffic control
// (include/uapi/linux/pkt_cls.h). The bytes are in the order that Wireshark
// expects.
var (
	passes = pcapgo.NgEpbVerdict{Type: pcapgo.NgEpbVerdictTypeLinuxeBPFTC, Data: []byte{0, 0, 0, 0, 0, 0, 0, 0}} // TC_ACT_OK
	shot   = pcapgo.NgEpbVerdict{Type: pcapgo.NgEpbVerdictTypeLinuxeBPFTC, Data: []byte{2, 0, 0, 0, 0, 0, 0, 0}} // TC_ACT_SHOT
)

// options returns the metadata of a packet.
func (c *capture) options(r *record) pcapgo.NgPacketOptions {
	o := pcapgo.NgPacketOptions{
		Comments: []string{r.comment()},
		Flags:    &pcapgo.NgEpbFlags{Direction: r.direction()},
		PacketID: &r.id,
		Queue:    &c.queue,
		Verdicts: []pcapgo.NgEpbVerdict{passes},
	}
	if r.verdict == queue.Drop {
		o.Verdicts[0] = shot
	}
	if r.skipped > 0 {
		o.DropCount = &r.skipped
	}
	return o
}

// link is the interface that the file shows for the packet.
func (r *record) link() link {
	l := link{r.in, layers.LinkTypeRaw}
	if r.outbound() {
		l.name = r.out
	}
	if r.ethernet {
		l.typ = layers.LinkTypeEthernet
	}
	return l
}

// outbound reports whether the packet is about to leave.
func (r *record) outbound() bool {
	return r.hook == queue.HookOutput || r.hook == queue.HookPostrouting
}

func (r *record) direction() pcapgo.NgEpbFlag {
	if r.outbound() {
		return pcapgo.NgEpbFlagDirectionOutbound
	}
	return pcapgo.NgEpbFlagDirectionInbound
}

// comment returns the metadata for which the format has no option.
func (r *record) comment() string {
	text := fmt.Sprintf("%s after %s at %v", r.fate(), brief(r.waited), r.hook)
	for _, side := range []struct{ word, name string }{{"in", r.in}, {"out", r.out}} {
		if side.name != "" {
			text += " " + side.word + " " + side.name
		}
	}
	if r.mark != 0 {
		text += fmt.Sprintf(", mark %#x", r.mark)
	}
	return text
}
