using Tessera.Imaging;
using Tessera.Ranks;
using Tessera.Runtime;

namespace Tessera.Runs;

/// <summary>Makes sure that ranks were started alike.</summary>
public static class RankAgreement
{
    // What may differ from host to host: where things are, and which GPU is whose.
    private static readonly string[] OfHosts = ["data.source", "init", "model", "training.device"];

    /// <summary>Compares the ranks' options, before anything is made of them.</summary>
    /// <exception cref="RanksException">They differ; the message says in which rank and option.</exception>
    public static void Require<T>(Communicator ranks, T options)
    {
        ArgumentNullException.ThrowIfNull(ranks);
        if (ranks.IsAlone) return;
        var own = TesseraJson.Leaves(options).Where(leaf => !OfHosts.Contains(leaf.Key)).Select(leaf => $"{leaf.Key}\t{leaf.Value?.ToJsonString() ?? "null"}");
        ranks.RequireSame("its options", string.Join('\n', own), Difference);
    }

    /// <summary>Compares the ranks' options and pictures.</summary>
    /// <exception cref="RanksException">They differ; the message says in which rank, and what.</exception>
    internal static void Require<T>(Communicator ranks, T options, ImageSet images)
    {
        Require(ranks, options);
        ranks.RequireSame("its pictures", $"{images.Count} of fingerprint {images.Fingerprint}");
    }

    private static string Difference(string first, string own)
    {
        var (there, here) = (first.Split('\n'), own.Split('\n'));
        var line = here.Except(there).Concat(there.Except(here)).First();
        var path = line.Split('\t')[0];
        string Of(string[] lines) => lines.FirstOrDefault(l => l.Split('\t')[0] == path)?.Split('\t')[1] ?? "nothing";
        return $"{path} is {Of(here)} and not {Of(there)}";
    }
}
