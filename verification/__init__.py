"""Every verdict: licence, PDF, QR, receipt."""
