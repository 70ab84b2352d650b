// A journey with the official client against a devnet: `node tronweb_journey.cjs TRONWEB URL`, TRONWEB its installed
// folder. Each step's finding is printed as one JSON object at the end; an error ends the journey with status 1.
const { TronWeb } = require(process.argv[2]);
const url = process.argv[3];

const post = async (path, body) =>
  (await fetch(url + path, { method: "POST", body: JSON.stringify(body) })).json();
const mine = (blocks) => post("/devnet/mine", { blocks });
const refusal = async (call) => {
  try {
    return { answer: await call() };
  } catch (error) {
    return error.message || String(error);
  }
};

async function journey() {
  const info = await (await fetch(url + "/devnet/info")).json();
  const [alice, bob, carol] = info.accounts;
  const stranger = "TLfuw4tRywtxCusvTudbjf7PbcXjfe7qrw";
  const tron = new TronWeb({ fullHost: url, privateKey: alice.private_key });
  const found = { connected: await tron.isConnected() };
  found.own_address = tron.defaultAddress.base58 === alice.address;
  found.balance = await tron.trx.getBalance(alice.address);
  found.nobody = await tron.trx.getAccount(stranger);

  // TRX: built by the client, signed, broadcast; again with a memo; again as hex.
  const sent = await tron.trx.sendTransaction(stranger, 5);
  found.trx_sent = sent.result;
  const plain = await tron.transactionBuilder.sendTrx(bob.address, 7);
  const memo = await tron.transactionBuilder.addUpdateData(plain, "for tea", "utf8");
  const signed = await tron.trx.sign(memo);
  found.memo_sent = (await tron.trx.sendRawTransaction(signed)).result;
  const longer = await tron.transactionBuilder.extendExpiration(await tron.transactionBuilder.sendTrx(bob.address, 8), 60);
  const packed = tron.utils.transaction.txJsonToPb(longer);
  const hex = await tron.trx.sign(longer);
  found.same_txid = tron.utils.transaction.txPbToTxID(packed).replace("0x", "") === longer.txID;
  found.extended_sent = (await tron.trx.sendRawTransaction(hex)).result;
  await mine(1);
  found.trx_fee = (await tron.trx.getUnconfirmedTransactionInfo(sent.txid)).fee;
  found.memo_fee = (await tron.trx.getUnconfirmedTransactionInfo(signed.txID)).fee;
  found.not_yet_solid = await tron.trx.getTransactionInfo(sent.txid);
  await mine(19);
  found.solid_receipt = (await tron.trx.getTransactionInfo(sent.txid)).id === sent.txid;
  found.transaction = (await tron.trx.getTransaction(sent.txid)).ret[0].contractRet;
  found.stranger_balance = await tron.trx.getBalance(stranger);

  // The token: contract object, reads, estimates, transfer, approve, transferFrom, events.
  const usdt = await tron.contract().at(info.contracts.usdt);
  found.symbol = await usdt.symbol().call();
  found.decimals = Number(await usdt.decimals().call());
  const estimate = await tron.transactionBuilder.triggerConstantContract(
    info.contracts.usdt, "transfer(address,uint256)", {},
    [{ type: "address", value: stranger }, { type: "uint256", value: 25000000 }], alice.address);
  found.estimated_energy = estimate.energy_used;
  const txid = await usdt.transfer(stranger, 25000000).send({ feeLimit: 20000000 });
  await usdt.approve(bob.address, 9).send({ feeLimit: 20000000 });
  await mine(1);
  tron.setPrivateKey(bob.private_key);
  const from = await usdt.transferFrom(alice.address, stranger, 4).send({ feeLimit: 20000000 });
  await mine(20);
  const receipt = await tron.trx.getTransactionInfo(txid);
  found.usdt_energy = receipt.receipt.energy_usage_total;
  found.usdt_result = receipt.receipt.result;
  found.usdt_logs = receipt.log.length;
  found.from_result = (await tron.trx.getTransactionInfo(from)).receipt.result;
  found.usdt_balance = (await usdt.balanceOf(stranger).call()).toString();
  const events = await tron.event.getEventsByTransactionID(txid);
  found.event = { name: events.data[0].event_name, result: events.data[0].result.value };
  const all = await tron.event.getEventsByContractAddress(info.contracts.usdt, { eventName: "Transfer", limit: 200 });
  found.events = all.data.length;

  // Blocks and the network.
  const head = await tron.trx.getCurrentBlock();
  const number = head.block_header.raw_data.number;
  found.block = (await tron.trx.getBlockByNumber(number)).blockID === head.blockID;
  found.by_hash = (await tron.trx.getBlockByHash(head.blockID)).blockID === head.blockID;
  found.range = (await tron.trx.getBlockRange(number - 4, number)).length;
  found.parameters = (await tron.trx.getChainParameters()).length;
  found.witnesses = (await tron.trx.listSuperRepresentatives()).length;
  found.bandwidth = await tron.trx.getBandwidth(carol.address);
  found.resources = (await tron.trx.getAccountResources(carol.address)).freeNetLimit;
  found.contract = (await tron.trx.getContract(info.contracts.usdt)).name;

  // A permission change: two of two, each signing in turn.
  tron.setPrivateKey(carol.private_key);
  const keys = [alice, carol].map(({ address }) => ({ address: tron.address.toHex(address), weight: 1 }));
  const operations = "7fff1fc0033e0000000000000000000000000000000000000000000000000000";
  const update = await tron.transactionBuilder.updateAccountPermissions(
    carol.address,
    { type: 0, permission_name: "owner", threshold: 2, keys },
    null,
    [{ type: 2, permission_name: "active", threshold: 2, operations, keys }]);
  found.update_sent = (await tron.trx.sendRawTransaction(await tron.trx.sign(update))).result;
  await mine(1);
  const account = await tron.trx.getUnconfirmedAccount(carol.address);
  found.threshold = account.owner_permission.threshold;
  const shared = await tron.transactionBuilder.sendTrx(bob.address, 6, carol.address, { permissionId: 0 });
  const one = await tron.trx.multiSign(shared, carol.private_key, 0);
  found.weight = (await tron.trx.getSignWeight(one)).current_weight;
  found.half_signed = (await tron.trx.sendRawTransaction(one)).code;
  const both = await tron.trx.multiSign(one, alice.private_key, 0);
  found.both_signed = (await tron.trx.sendRawTransaction(both)).result;

  // What the node refuses, the client reports.
  tron.setPrivateKey(alice.private_key);
  const much = await tron.transactionBuilder.sendTrx(bob.address, 10 ** 15);
  found.too_much = (await tron.trx.sendRawTransaction(await tron.trx.sign(much))).code;
  found.expected_revert = await refusal(() => tron.transactionBuilder.triggerConstantContract(
    info.contracts.usdt, "transfer(address,uint256)", {},
    [{ type: "address", value: stranger }, { type: "uint256", value: "1" + "0".repeat(30) }], alice.address));
  return found;
}

journey().then(
  (found) => console.log(JSON.stringify(found)),
  (error) => {
    console.error(error);
    process.exitCode = 1;
  });
