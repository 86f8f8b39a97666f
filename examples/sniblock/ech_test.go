package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"testing"

	"github.com/ipqueue/ipqueue/queue/queuetest"
)

// encryptedHello returns the first record of a client that encrypts the name of
// its server, and shows the name front instead (RFC 9849).
func encryptedHello(t testing.TB, front, server string) string {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	const kem, kdf, aead = 0x20, 1, 1
	config := append([]byte{7, 0, kem}, prefixed(key.PublicKey().Bytes()...)...)
	config = append(config, prefixed(0, kdf, 0, aead)...)
	config = append(append(config, 64, byte(len(front))), front...)
	config = append(config, 0, 0)
	config = append(binary.BigEndian.AppendUint16(nil, 0xfe0d), prefixed(config...)...)
	return string(clientHello(t, &tls.Config{ServerName: server, EncryptedClientHelloConfigList: prefixed(config...), MinVersion: tls.VersionTLS13}))
}

// TestEncryptedHello checks connections with an encrypted ClientHello, whose
// name nobody but the server can read.
func TestEncryptedHello(t *testing.T) {
	for _, test := range []struct {
		args, front, server string
		passes              bool
		says                string
	}{
		{"-v", "good.example", "bad.example", true, `hello    "good.example", encrypted name `},
		{"", "bad.example", "good.example", false, `refused  "bad.example" `},
		{"-ech refuse", "good.example", "other.example", false, `refused  "good.example", encrypted name `},
	} {
		c := newBlocker(t, test.args).client("10.0.0.1:40000")
		walk(t, c, step{syn, true}, step{segmentAt{data: encryptedHello(t, test.front, test.server)}, test.passes})
		c.out.Await(t, test.says)
	}
	c := newBlocker(t, "-ech refuse").client("10.0.0.1:40000")
	walk(t, c, step{syn, true}, step{segmentAt{data: string(helloTo(t, "good.example"))}, true})
	quic := initialPacket{frames: pad(crypto(0, string(plainHello(serverNames("good.example"), extension(0xfe0d, 0)))))}
	c.sendDatagram(quic.seal()).Want(queuetest.Dropped)
}
