package main

import (
	"context"
	"io"
	"net"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"

	"github.com/ipqueue/ipqueue/internal/netns"
)

// A namespace is a private network namespace in the running kernel.
type namespace struct{ table *netns.Table }

const localhost = "127.0.0.1"

func (n *namespace) close() error { return n.table.Delete() }

// within makes calls on conn fail once ctx has ended.
func within(ctx context.Context, conn interface{ SetDeadline(time.Time) error }) (release func() bool) {
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
}

func (n *namespace) ping(ctx context.Context) error {
	conn, err := icmp.ListenPacket("ip4:icmp", localhost)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer within(ctx, conn)()
	request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 1, Seq: 1}}).Marshal(nil)
	if err != nil {
		return err
	}
	if _, err := conn.WriteTo(request, &net.IPAddr{IP: net.IPv4(127, 0, 0, 1)}); err != nil {
		return err
	}
	return awaitReply(conn)
}

// awaitReply waits for the reply. It skips the request, which a raw socket on
// loopback receives as well.
func awaitReply(conn *icmp.PacketConn) error {
	b := make([]byte, 1500)
	for {
		n, _, err := conn.ReadFrom(b)
		if err != nil {
			return err
		}
		m, err := icmp.ParseMessage(protoICMP, b[:n])
		if err != nil || m.Type == ipv4.ICMPTypeEchoReply {
			return err
		}
	}
}

func (n *namespace) say(ctx context.Context, texts ...string) ([]string, error) {
	receiver, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer receiver.Close()
	defer within(ctx, receiver)()
	sender, err := net.DialUDP("udp4", nil, receiver.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return nil, err
	}
	defer sender.Close()
	for _, text := range texts {
		if _, err := sender.Write([]byte(text)); err != nil {
			return nil, err
		}
	}
	return hear(receiver, texts[len(texts)-1])
}

// hear receives datagrams up to the one with the text last.
func hear(conn *net.UDPConn, last string) (texts []string, err error) {
	b := make([]byte, 1500)
	for {
		n, err := conn.Read(b)
		if err != nil {
			return texts, err
		}
		texts = append(texts, string(b[:n]))
		if string(b[:n]) == last {
			return texts, nil
		}
	}
}

func (n *namespace) echo(ctx context.Context, text string) (string, error) {
	listener, err := net.Listen("tcp4", localhost+":0")
	if err != nil {
		return "", err
	}
	defer listener.Close()
	go serve(listener)
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp4", listener.Addr().String())
	if err != nil {
		return "", err
	}
	defer conn.Close()
	defer within(ctx, conn)()
	if _, err := io.WriteString(conn, text); err != nil {
		return "", err
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return "", err
	}
	b, err := io.ReadAll(conn)
	return string(b), err
}

// serve echoes the data of one connection.
func serve(listener net.Listener) {
	conn, err := listener.Accept()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.Copy(conn, conn)
}
