class Ollana < Formula
  desc "Zero-config LAN proxy for Ollama: every GPU behind localhost:11435"
  homepage "https://github.com/ollana/ollana"
  url "https://registry.npmjs.org/ollana/-/ollana-@VERSION@.tgz"
  sha256 "@NPM_SHA256@"
  license "MIT"

  depends_on "node"

  def install
    system "npm", "install", *std_npm_args
    bin.install_symlink libexec.glob("bin/*")
  end

  service do
    run [opt_bin/"ollana"]
    keep_alive true
    log_path var/"log/ollana.log"
    error_log_path var/"log/ollana.log"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/ollana --version")
  end
end
