using Tessera.Cli.Console;
using Tessera.Imaging;

namespace Tessera.Cli.Commands;

/// <summary>Names the pictures that were left out because they could not be read.</summary>
internal static class BrokenPictures
{
    private const int Named = 20;

    public static void Tell(Terminal terminal, IReadOnlyList<BrokenImage> broken)
    {
        if (broken.Count == 0) return;
        terminal.Note($"{broken.Count} broken picture{(broken.Count == 1 ? "" : "s")} left out:");
        foreach (var picture in broken.Take(Named)) terminal.Note($"  {picture.Name} {picture.Reason}");
        if (broken.Count > Named) terminal.Note($"  and {broken.Count - Named} more (tessera data inspect names all)");
    }
}
