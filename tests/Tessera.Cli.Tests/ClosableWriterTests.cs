using System.Text;
using Tessera.Cli.Console;

namespace Tessera.Cli.Tests;

public sealed class ClosableWriterTests
{
    [Fact]
    public void Writes_Until_The_Terminal_Is_Closed_And_To_Nowhere_After()
    {
        using var terminal = new Pseudoterminal();
        using var writer = new ClosableWriter(terminal);

        writer.Write('a');
        writer.Write("b");
        writer.WriteLine("c");
        terminal.IsClosed = true;
        writer.Write('d');
        writer.WriteLine("e");
        writer.Flush();

        terminal.Text.ShouldBe($"abc{terminal.NewLine}");
    }

    /// <summary>Refuses everything once it is closed, as the system does (EIO).</summary>
    private sealed class Pseudoterminal : TextWriter
    {
        private readonly StringBuilder text = new();

        public bool IsClosed { get; set; }

        public string Text => text.ToString();

        public override Encoding Encoding => Encoding.UTF8;

        public override void Write(char value)
        {
            if (IsClosed) throw new IOException("Input/output error");
            text.Append(value);
        }

        public override void Flush()
        {
            if (IsClosed) throw new IOException("Input/output error");
        }
    }
}
