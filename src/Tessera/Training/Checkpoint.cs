using System.Globalization;
using System.Security.Cryptography;
using Tessera.Ranks;
using Tessera.Weights;
using static TorchSharp.torch;

namespace Tessera.Training;

/// <summary>All that a run needs to go on: weights, the optimiser's means, the objective's state, and the step. Random draws need nothing.</summary>
/// <remarks>
/// <c>model.NAME</c> are the weights to be used, so that a checkpoint loads as a model: where weights are averaged, their averages, and the
/// weights themselves are <c>optimizer.weight.NAME</c>.
/// </remarks>
internal sealed class Checkpoint(RunDirectory? run, AdamW optimizer, AveragedWeights? averaged, Objective objective, string fingerprint)
{
    private const string StepKey = "tessera.step";
    private const string DataKey = "tessera.data";

    public void Save(long step, ModelDescription description)
    {
        if (run is null) throw new InvalidOperationException("The first rank alone writes.");
        var metadata = ModelFile.Metadata(description);
        metadata[StepKey] = step.ToString(CultureInfo.InvariantCulture);
        metadata[DataKey] = fingerprint;
        var file = run.CheckpointFile(step);
        SafetensorsWriter.Write(file, [.. Tensors().Select(t => ModelFile.ToFile(t.Name, t.Value))], metadata);
        run.Promote(file);
    }

    /// <summary>Brings the optimisers of all ranks, and the models that they train, to the newest checkpoint, or to the first rank's first weights.</summary>
    /// <returns>Its step; 0 where there is none yet.</returns>
    /// <exception cref="RunDirectoryException">It is damaged, or the pictures are no longer those it was trained on.</exception>
    /// <exception cref="OtherRankException">That is so on the first rank.</exception>
    public long Restore(Communicator ranks)
    {
        var step = ranks.FromFirst(Restore);
        if (ranks.IsAlone) return step;
        foreach (var (_, value) in Tensors()) ranks.FromFirst(value);
        optimizer.CopyToModel();
        optimizer.Steps = step;
        return step;
    }

    /// <summary>Makes sure that all ranks have the same weights.</summary>
    /// <exception cref="RanksException">One has others: all end.</exception>
    public void RequireSame(Communicator ranks, long step)
    {
        if (ranks.IsAlone) return;
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var (_, value) in optimizer.Weights)
        {
            using var here = value.detach().cpu();
            hash.AppendData(here.bytes);
        }
        ranks.RequireSame($"its weights at step {step}", Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    private long Restore()
    {
        if (run is null || RunDirectory.NewestCheckpoint(run.Folder) is not { } file) return 0;
        try
        {
            using var weights = SafetensorsFile.Open(file);
            var step = StepOf(weights);
            if (weights.Metadata.GetValueOrDefault(DataKey) != fingerprint)
                throw new RunDirectoryException($"The pictures have changed since {file} was written, so the run cannot go on as it was: bring them back, or start a new run.");
            foreach (var (name, value) in Tensors()) ModelFile.Read(file, weights, name, value);
            optimizer.CopyToModel();
            optimizer.Steps = step;
            return step;
        }
        catch (Exception e) when (e is SafetensorsException or ModelFileException)
        {
            throw new RunDirectoryException($"The checkpoint {file} is damaged: {e.Message} Remove it to go on from the one before it.", e);
        }
    }

    /// <summary>The step of a checkpoint.</summary>
    /// <exception cref="ModelFileException">The file is none.</exception>
    public static long StepOf(SafetensorsFile file) =>
        file.Metadata.TryGetValue(StepKey, out var text) && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var step)
            ? step : throw new ModelFileException($"its metadata lacks '{StepKey}'.");

    private IEnumerable<(string Name, Tensor Value)> Tensors()
    {
        var kept = averaged?.Values ?? optimizer.Weights;
        var trained = averaged is null ? [] : optimizer.Weights.Select(w => ("optimizer.weight." + w.Name, w.Value));
        return kept.Select(w => (ModelFile.CheckpointPrefix + w.Name, w.Value))
            .Concat(optimizer.State.Select(s => ("optimizer." + s.Name, s.Value)))
            .Concat(trained)
            .Concat(objective.State.Select(s => ("objective." + s.Name, s.Value)));
    }
}
