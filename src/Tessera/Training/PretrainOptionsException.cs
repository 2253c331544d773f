namespace Tessera.Training;

/// <summary>Options that cannot be run. The message names every fault.</summary>
public sealed class PretrainOptionsException(IReadOnlyList<string> faults) : Exception(Join(faults))
{
    /// <summary>The faults, a sentence each.</summary>
    public IReadOnlyList<string> Faults { get; } = faults;

    private static string Join(IReadOnlyList<string> faults)
    {
        var text = string.Join("; ", faults);
        return text.Length == 0 ? text : char.ToUpperInvariant(text[0]) + text[1..] + ".";
    }
}
