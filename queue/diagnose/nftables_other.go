//go:build !linux

package diagnose

import "context"

// readNFTables returns errNoNFTables.
func readNFTables(context.Context, int) ([]Rule, error) { return nil, errNoNFTables }
