package netns

import (
	"errors"
	"os"
)

func (n *Namespace) setSysctl(name, value string) error {
	return n.Do(func() error {
		file, err := os.OpenFile("/proc/sys/net/"+name, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		_, err = file.WriteString(value)
		return errors.Join(err, file.Close())
	})
}
