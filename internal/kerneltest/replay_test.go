package kerneltest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ipqueue/ipqueue/internal/sock"
)

// TestReplay repeats recordings of real kernels: the same requests must get the same
// replies, byte for byte. The lines of a recording are
//
//	== name             a new probe; everything must have been read
//	family 4|6          a new kernel, of which ip_queue or ip6_queue is used
//	open PORT [option]  a socket; options are rcvbuf=N, noenobufs, capack
//	autobind PORT       a socket whose port the kernel chooses, and its choice
//	close PORT
//	capable yes|no      the process has CAP_NET_ADMIN from now on, or not
//	mode PORT MODE N    a request to ip_queue that was not recorded
//	> PORT HEX          a datagram sent by that socket; - is an empty one
//	>! ERRNO            the error of that send
//	< PORT HEX          a datagram that it receives
//	<! PORT ERRNO       an error that it receives
//	packet HEX [mark=N] a packet that reaches the rule
//	got HEX...|nothing  the UDP payloads that arrived since the last such line
//	lost                the packets that passed since then did not arrive: wrong checksum
//	proc ...            the status file; for nfnetlink_queue, lines with | follow
func TestReplay(t *testing.T) {
	t.Run("ip_queue_x86_64", func(t *testing.T) { replay(t, Options{Modules: IPQueue | IP6Queue, Layout: Little64}) })
	t.Run("ip_queue_i386", func(t *testing.T) { replay(t, Options{Modules: IPQueue | IP6Queue, Layout: Little32}) })
	t.Run("nfnetlink_queue", func(t *testing.T) {
		if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
			t.Skip("needs a little-endian machine: this was recorded on one")
		}
		replay(t, Options{NoConntrack: true})
	})
}

// A replayer runs a recording.
type replayer struct {
	*testing.T
	line     int
	probe    string
	options  Options
	protocol int
	k        *Kernel
	sockets  map[uint32]*Socket
	journeys []*Journey
	arrived  map[*Journey]bool
	ids      map[string][]byte // our packet ids, indexed by the recorded ones
	sendErr  error
	status   *bool // the status file is being compared
	rows     []string
}

func replay(t *testing.T, o Options) {
	t.Helper()
	name := "testdata/" + t.Name()[strings.LastIndex(t.Name(), "/")+1:] + ".txt"
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := &replayer{T: t, options: o}
	r.restart(sock.ProtoNetfilter)
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		r.line++
		if line := s.Text(); line != "" && line[0] != '#' {
			r.do(strings.Fields(line), line)
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	r.quiet()
}

func (r *replayer) fail(format string, args ...any) {
	r.Helper()
	r.Fatalf("line %d (%s): %s", r.line, r.probe, fmt.Sprintf(format, args...))
}

func (r *replayer) restart(protocol int) {
	r.k, r.protocol = New(r.options), protocol
	r.sockets, r.arrived = make(map[uint32]*Socket), make(map[*Journey]bool)
	r.ids, r.journeys = make(map[string][]byte), nil
}

func (r *replayer) do(word []string, line string) {
	if word[0] != "|" {
		r.endStatus()
	}
	if word[0] != ">!" {
		r.checkSent(nil)
	}
	switch word[0] {
	case "==":
		r.quiet()
		r.probe = word[1]
	case "family":
		r.restart(map[string]int{"4": sock.ProtoFirewall, "6": sock.ProtoIP6FW}[word[1]])
	case "open":
		r.open(r.port(word[1]), word[2:])
	case "autobind":
		r.autobind(r.port(word[1]))
	case "close":
		r.close(r.port(word[1]))
	case "capable":
		r.k.SetPrivileged(word[1] == "yes")
	case "mode":
		r.mode(r.port(word[1]), word[2], word[3])
	case ">":
		r.send(r.socket(word[1]), r.bytes(word[2]))
	case ">!":
		r.checkSent(errno(word[1]))
	case "<":
		r.receive(r.socket(word[1]), r.bytes(word[2]))
	case "<!":
		r.receiveError(r.socket(word[1]), errno(word[2]))
	case "packet":
		r.packet(r.bytes(word[1]), word[2:])
	case "got":
		r.got(word[1:])
	case "lost":
		r.arrivals()
	case "proc":
		r.proc(word[1:])
	case "|":
		r.rows = append(r.rows, strings.TrimPrefix(line, "| "))
	default:
		r.fail("unknown line %q", line)
	}
}

func (r *replayer) port(s string) uint32 {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		r.fail("port: %v", err)
	}
	return uint32(n)
}

func (r *replayer) socket(port string) *Socket {
	s := r.sockets[r.port(port)]
	if s == nil {
		r.fail("no socket %s", port)
	}
	return s
}

func (r *replayer) bytes(s string) []byte {
	b, err := hex.DecodeString(strings.Trim(s, "-"))
	if err != nil {
		r.fail("%v", err)
	}
	return b
}

func errno(name string) error {
	return map[string]error{"ENODATA": errNoData, "ENOBUFS": errNoBufs}[name]
}

func (r *replayer) open(port uint32, options []string) {
	c := sock.Config{Protocol: r.protocol}
	for _, o := range options {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "rcvbuf":
			c.ReadBuffer, _ = strconv.Atoi(value)
		case "noenobufs":
			c.NoENOBUFS = true
		case "capack":
			c.CapAck = true
		}
	}
	s, err := r.k.OpenAt(c, port)
	if err != nil {
		r.fail("open %d: %v", port, err)
	}
	r.sockets[port] = s
}

// autobind opens a socket in a process that already has one.
func (r *replayer) autobind(port uint32) {
	if r.probe == "autobind-pids" && r.protocol == sock.ProtoIP6FW {
		r.k.rover-- // the recording for IPv4 used -4097
	}
	for p := range r.sockets {
		r.k.opts.Process = p
	}
	s, err := r.k.Open(sock.Config{Protocol: r.protocol})
	if err != nil || s.Port() != port {
		r.fail("autobind got port %d, %v; want %d", s.Port(), err, port)
	}
	r.sockets[port] = s.(*Socket)
}

func (r *replayer) close(port uint32) {
	if err := r.sockets[port].Close(); err != nil {
		r.fail("close: %v", err)
	}
	delete(r.sockets, port)
}

// mode sends a mode request without NLM_F_ACK.
func (r *replayer) mode(port uint32, mode, size string) {
	a := r.options.Layout.abi()
	b := make([]byte, headerLen+a.peer)
	copy(b, appendHeader(a.order, nil, header{uint32(len(b)), ipqmMode, flagRequest, 0, port}))
	m, _ := strconv.Atoi(mode)
	n, _ := strconv.Atoi(size)
	b[headerLen] = byte(m)
	a.order.PutUint32(b[headerLen+a.long:], uint32(n))
	r.send(r.sockets[port], b)
}

func (r *replayer) send(s *Socket, b []byte) {
	_, r.sendErr = s.Send([][]byte{r.translate(b)})
}

func (r *replayer) checkSent(want error) {
	r.Helper()
	if !errors.Is(r.sendErr, want) {
		r.fail("send: got error %v, want %v", r.sendErr, want)
	}
	r.sendErr = nil
}

// translate replaces the recorded packet ids by ours.
func (r *replayer) translate(b []byte) []byte {
	for recorded, ours := range r.ids {
		b = bytes.ReplaceAll(b, []byte(recorded), ours)
	}
	return b
}

func (r *replayer) read(s *Socket) ([]byte, error) {
	batch := []sock.Datagram{{Buf: make([]byte, 1<<18)}}
	n, err := s.Receive(batch, func() bool { return false })
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, errors.New("nothing to read")
	}
	return batch[0].Buf[:batch[0].N], nil
}

func (r *replayer) receive(s *Socket, want []byte) {
	r.Helper()
	got, err := r.read(s)
	if err != nil {
		r.fail("receive: %v, want %x", err, want)
	}
	if len(got) != len(want) {
		r.fail("got %d bytes %x\nwant %d bytes %x", len(got), got, len(want), want)
	}
	if r.protocol != sock.ProtoNetfilter {
		r.learn(got, want)
		want = r.translate(want)
		maskPadding(r.options.Layout, got, want)
	}
	if !bytes.Equal(got, want) {
		r.fail("got\n%x, want\n%x", got, want)
	}
}

// learn remembers which of our ids corresponds to the recorded one.
func (r *replayer) learn(got, want []byte) {
	a := r.options.Layout.abi()
	if a.order.Uint16(want[4:]) != ipqmPacket {
		return
	}
	recorded, ours := want[headerLen:headerLen+a.long], got[headerLen:headerLen+a.long]
	if known := r.ids[string(recorded)]; known != nil && !bytes.Equal(known, ours) {
		r.fail("recorded id %x is %x now and was %x before: ids are reused in another order", recorded, ours, known)
	}
	r.ids[string(recorded)] = bytes.Clone(ours)
}

// maskPadding makes the padding equal, which the real kernel does not initialize.
func maskPadding(l Layout, got, want []byte) {
	a := l.abi()
	end := int(a.order.Uint32(want))
	if a.order.Uint16(want[4:]) == ipqmPacket {
		head := map[int]int{8: 96, 4: 72}[a.long]
		end = headerLen + head + int(a.order.Uint32(want[headerLen+head-a.long:]))
	}
	copy(got[end:], want[end:])
}

func (r *replayer) receiveError(s *Socket, want error) {
	r.Helper()
	if _, err := r.read(s); !errors.Is(err, want) {
		r.fail("receive: got %v, want %v", err, want)
	}
}

func (r *replayer) packet(payload []byte, options []string) {
	p := Packet{
		Family:  map[int]Family{sock.ProtoIP6FW: IPv6}[r.protocol],
		Hook:    LocalOut,
		Queue:   5,
		Out:     Device{1, "lo"},
		Owner:   &Owner{},
		Payload: payload,
	}
	for _, o := range options {
		if v, ok := strings.CutPrefix(o, "mark="); ok {
			n, _ := strconv.Atoi(v)
			p.Mark = uint32(n)
		}
	}
	r.journeys = append(r.journeys, r.k.Inject(p))
}

// got compares the payloads that passed since the last call, in any order.
func (r *replayer) got(want []string) {
	r.Helper()
	left := make(map[string]int)
	for _, w := range want {
		left[w]++
	}
	delete(left, "nothing")
	for _, payload := range r.arrivals() {
		left[payload]--
	}
	for payload, n := range left {
		if n != 0 {
			r.fail("%s arrived %+d times too few", payload, n)
		}
	}
}

// arrivals returns the payloads of whole UDP datagrams that passed since the last
// call.
func (r *replayer) arrivals() (payloads []string) {
	for _, j := range r.journeys {
		if !j.Fate().Passes() || r.arrived[j] {
			continue
		}
		r.arrived[j] = true
		p := j.Result().Packet.Payload
		if n := networkHeader(p) + 8; len(p) >= n {
			payloads = append(payloads, hex.EncodeToString(p[n:]))
		}
	}
	return payloads
}

func (r *replayer) proc(want []string) {
	r.Helper()
	if len(want) == 0 {
		r.status = new(bool)
		return
	}
	file := map[int]string{sock.ProtoFirewall: fileIPQ, sock.ProtoIP6FW: fileIP6Q}[r.protocol]
	b, err := r.k.ReadFile(file)
	if err != nil {
		r.fail("%v", err)
	}
	var got []string
	for line := range strings.Lines(string(b)) {
		_, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		got = append(got, value)
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		r.fail("%s: got %v, want %v", file, got, want)
	}
}

// endStatus compares the status file with the lines after "proc".
func (r *replayer) endStatus() {
	if r.status == nil {
		return
	}
	got, err := r.k.ReadFile(fileNFQ)
	if err != nil {
		r.fail("%v", err)
	}
	want := strings.Join(append(r.rows, ""), "\n")
	if string(got) != want {
		r.fail("status: got\n%s, want\n%s", got, want)
	}
	r.status, r.rows = nil, nil
}

// quiet checks that everything has been read.
func (r *replayer) quiet() {
	for port, s := range r.sockets {
		if n := s.Unread(); n > 0 {
			b, err := r.read(s)
			r.fail("%d unexpected datagrams at %d: %x %v", n, port, b, err)
		}
	}
}
